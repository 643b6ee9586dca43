package simulator

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// The purposes of the random streams. Each has its own, so that drawing from one never changes another.
const (
	forBatch uint64 = iota + 1
	forRun
	forFollowUp
	forID
	forRecipient
	forCallRecord
	forCall
	forGap
	forPhase
	forPerson
	forUser
	forTurn
	forTurnLength
	forTalk
	forRefusal
	forDoubleDial
	forFirstDial
	forLateRinging
	forMissingRecord
)

// mix hashes numbers into one (the finalizer of SplitMix64 after each).
func mix(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// stream returns the random stream of a purpose.
func stream(parts ...uint64) *rand.Rand {
	s := mix(parts...)
	return rand.New(rand.NewPCG(s, mix(s)))
}

// fraction returns a number in [0, 1) for a purpose.
func fraction(parts ...uint64) float64 { return float64(mix(parts...)>>11) / (1 << 53) }

// uuid returns a UUID (in the form of version 4) for a purpose.
func uuid(parts ...uint64) string {
	var raw [16]byte
	high := mix(parts...)
	binary.BigEndian.PutUint64(raw[:8], high)
	binary.BigEndian.PutUint64(raw[8:], mix(high))
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:8], raw[:4])
	hex.Encode(out[9:13], raw[4:6])
	hex.Encode(out[14:18], raw[6:8])
	hex.Encode(out[19:23], raw[8:10])
	hex.Encode(out[24:], raw[10:])
	for _, i := range []int{8, 13, 18, 23} {
		out[i] = '-'
	}
	return string(out[:])
}

// The parts of invented names and numbers.
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

// personName returns the name of recipient i, or nil if the contact has none.
func (b *batch) personName(i int) *string {
	h := mix(b.key, forPerson, uint64(i))
	if h%16 == 0 {
		return nil
	}
	name := givenNames[h>>8%uint64(len(givenNames))] + " " + familyNames[h>>32%uint64(len(familyNames))]
	return &name
}

// phoneNumber returns the number of recipient i: one of 555-0100 to 555-0199, which are reserved for fiction.
func phoneNumber(i int) string {
	return fmt.Sprintf("+1%s55501%02d", areaCodes[i/100%len(areaCodes)], i%100)
}

// errorMessage returns the text that the service stores with a status; some texts quote the phone number.
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
			text = fmt.Sprintf("The 'To' number %s is not a valid phone number.", phoneNumber(i))
		}
		if last := b.recipients[i].last; last != nil && last.refused {
			text = "Invalid To " + phoneNumber(i)
		}
	default:
		return nil
	}
	return &text
}
