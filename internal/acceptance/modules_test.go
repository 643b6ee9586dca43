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

// readFile reads a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// modules returns the directories that hold a go.mod, relative to the root and
// starting with /, as dependabot.yml names them.
func modules(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", ".cache", "dist"}, entry.Name()):
			return fs.SkipDir
		case entry.Name() == "go.mod":
			found = append(found, path.Join("/", path.Dir(file)))
		}
		return nil
	})
	if err != nil || len(found) < 2 {
		t.Fatalf("the modules are %v: %v", found, err)
	}
	slices.Sort(found)
	return found
}

// Workflows and the image's builder do not download another Go.
func TestTheImageBuildsWithTheToolchainAndEachModuleBuildsWithIt(t *testing.T) {
	t.Parallel()
	wanted := regexp.MustCompile(`(?m)^(go|toolchain) (?:go)?(\S+)$`)
	var toolchain string
	for _, line := range wanted.FindAllStringSubmatch(readFile(t, "go.mod"), -1) {
		if line[1] == "toolchain" {
			toolchain = line[2]
		}
	}
	if toolchain == "" {
		t.Fatal("go.mod names no toolchain")
	}
	if !strings.Contains(readFile(t, "Dockerfile"), "library/golang:"+toolchain+"-") {
		t.Errorf("the Dockerfile does not build with Go %s, the toolchain of go.mod", toolchain)
	}
	for _, dir := range modules(t) {
		for _, line := range wanted.FindAllStringSubmatch(readFile(t, path.Join(dir, "go.mod")), -1) {
			if version.Compare("go"+line[2], "go"+toolchain) > 0 {
				t.Errorf("%s/go.mod needs Go %s, newer than %s, the toolchain of go.mod", dir, line[2], toolchain)
			}
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
	if err := yaml.Unmarshal([]byte(readFile(t, ".github/dependabot.yml")), &config); err != nil {
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
