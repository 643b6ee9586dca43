// Package release_test reads the release's settings as goreleaser does. make release-check goes further, and takes longer.
package release_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

const root = "../../"

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A release and a build from a clone must report their version in the same way.
func TestAReleaseIsStampedAsTheMakefileStampsABuild(t *testing.T) {
	release, err := config.Load(root + ".goreleaser.yml") // rejects unknown fields
	if err != nil {
		t.Fatal(err)
	}
	flag := regexp.MustCompile(`-X (?:\$\(stamp\)|\$stamp|github\.com/prometheus/common/version)\.(\w+)=`)
	stamps := func(text string) (names []string) {
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return names
	}
	want := stamps(read(t, "Makefile"))
	if len(want) != 4 {
		t.Fatalf("the Makefile stamps %v", want)
	}
	for name, text := range map[string]string{
		".goreleaser.yml": strings.Join(release.Builds[0].Ldflags, " "),
		"Dockerfile":      read(t, "Dockerfile"),
	} {
		if got := stamps(text); !slices.Equal(got, want) {
			t.Errorf("%s stamps %v, the Makefile %v", name, got, want)
		}
	}
}
