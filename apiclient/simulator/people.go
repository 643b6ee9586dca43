package simulator

import "fmt"

// The parts of which people and numbers are made up; none of them exists.
var (
	givenNames = [...]string{
		"Ada", "Bo", "Chidi", "Dana", "Émile", "Fatou", "Goran", "Hye-jin", "Inés", "Jürgen", "Katja", "Liam",
		"Mei", "Nadia",
		"Ömer", "Priya", "Quinn", "Rosa", "Siobhán", "Tomáš", "Uma", "Věra", "Wei", "Yuki", "Zoë", "Анна", "花子",
	}
	familyNames = [...]string{
		"Notaperson", "Madeup", "Nowhere", "Unreal", "Placebo", "Dummy", "Invented", "Phantom", `"Nick" Name`, "O'Nobody",
	}
	areaCodes = [...]string{"206", "212", "303", "312", "404", "415", "503", "512", "604", "617"}
)

// personName gives recipient i a name; nil where the contact has none.
func (b *batch) personName(i int) *string {
	h := mix(b.key, forPerson, uint64(i))
	if h%16 == 0 {
		return nil
	}
	name := givenNames[h>>8%uint64(len(givenNames))] + " " + familyNames[h>>32%uint64(len(familyNames))]
	return &name
}

// phoneNumber is one of the numbers 555-0100 to 555-0199, which are set aside for fiction.
func (b *batch) phoneNumber(i int) string {
	return fmt.Sprintf("+1%s55501%02d", areaCodes[i/100%len(areaCodes)], i%100)
}

// errorMessage is what the service writes beside a status; some of it quotes the phone number.
func (b *batch) errorMessage(i int, status string) *string {
	var text string
	switch status {
	case "busy":
		text = "Line busy"
	case "no_answer":
		text = "No answer"
	case "failed":
		text = "Call failed"
		if mix(b.key, forPerson, uint64(i))>>16%4 == 0 {
			text = fmt.Sprintf("The 'To' number %s is not a valid phone number.", b.phoneNumber(i))
		}
	default:
		return nil
	}
	return &text
}
