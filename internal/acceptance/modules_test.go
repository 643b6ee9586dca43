package acceptance

import (
	"go/version"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// theText reads a file of the repository.
func theText(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// modules are the directories that hold a go.mod, as GitHub writes them: from / on.
func modules(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", ".cache", "dist"}, entry.Name()):
			return filepath.SkipDir
		case entry.Name() == "go.mod":
			found = append(found, path.Join("/", strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), root)))
		}
		return nil
	})
	if err != nil || len(found) < 2 {
		t.Fatalf("the modules are %v: %v", found, err)
	}
	slices.Sort(found)
	return found
}

// Workflows forbid Go to fetch a newer one of itself, and what is released is to be the same from wherever it comes.
func TestWorkflowsAndImageUseOneGoThatIsNewEnoughForEachModule(t *testing.T) {
	t.Parallel()
	pinned := strings.TrimSpace(theText(t, ".go-version"))
	release := regexp.MustCompile(`^1\.\d+\.\d+$`)
	if !release.MatchString(pinned) {
		t.Fatalf(".go-version has %q, want a release of Go with all of its numbers", pinned)
	}
	if !strings.Contains(theText(t, "Dockerfile"), "library/golang:"+pinned+"-") {
		t.Errorf("the Dockerfile does not build with the %s of .go-version", pinned)
	}
	wanted := regexp.MustCompile(`(?m)^(?:go |toolchain go)(\S+)$`)
	for _, dir := range modules(t) {
		lines := wanted.FindAllStringSubmatch(theText(t, path.Join(dir, "go.mod")), -1)
		if len(lines) == 0 {
			t.Errorf("%s/go.mod has no go line", dir)
		}
		for _, line := range lines {
			if version.Compare("go"+line[1], "go"+pinned) > 0 {
				t.Errorf("%s/go.mod wants Go %s, .go-version has %s", dir, line[1], pinned)
			}
		}
	}

	workflows, err := filepath.Glob(root + "/.github/workflows/*.yml")
	if err != nil || len(workflows) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	for _, file := range workflows {
		text := theText(t, strings.TrimPrefix(file, root))
		set, pins := strings.Count(text, "uses: actions/setup-go@"), strings.Count(text, " go-version-file: .go-version\n")
		if set == 0 || pins != set || strings.Contains(text, "go-version:") {
			t.Errorf("%s sets Go up %d times, %d of them by .go-version alone", file, set, pins)
		}
	}
}

func TestDependabotLooksAtEachModule(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directories []string `yaml:"directories"`
		} `yaml:"updates"`
	}
	if err := yaml.Unmarshal([]byte(theText(t, ".github/dependabot.yml")), &config); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, update := range config.Updates {
		if update.Ecosystem == "gomod" {
			named = append(named, update.Directories...)
		}
	}
	slices.Sort(named)
	if want := modules(t); !slices.Equal(named, want) {
		t.Errorf("dependabot.yml names %v, want %v", named, want)
	}
}
