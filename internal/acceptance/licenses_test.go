package acceptance

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

const thirdParty = root + "/THIRD_PARTY_LICENSES"

// releasedFor returns the systems that releases are for: what is linked differs between them.
func releasedFor(t *testing.T) []string {
	t.Helper()
	var config struct {
		Builds []struct {
			Systems []string `yaml:"goos"`
		} `yaml:"builds"`
	}
	if err := yaml.Unmarshal([]byte(readFile(t, ".goreleaser.yml")), &config); err != nil || len(config.Builds) != 1 || len(config.Builds[0].Systems) == 0 {
		t.Fatalf(".goreleaser.yml names no systems: %v", err)
	}
	return config.Builds[0].Systems
}

// spdx recognizes permissive licenses by a part of their text. Any other license
// has to be reviewed before its code is linked.
func spdx(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	has := func(part string) bool { return strings.Contains(words, part) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Permission is hereby granted, free of charge") && has("The above copyright notice and this permission notice"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name of") || has("names of its contributors may not be used")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// linked is a module of the binary, with the files about its license.
type linked struct {
	name, version string
	texts         map[string]string // by path inside the module
}

// linkedModules looks from each linked package up to the root of its module: code that was copied from elsewhere has its
// license next to it.
func linkedModules(t *testing.T, systems []string) map[string]linked {
	t.Helper()
	goRoot := strings.TrimSpace(goFor(t, systems[0], "env", "GOROOT"))
	found := map[string]linked{"Go": {"Go, its library and its runtime", "", legal(t, goRoot, goRoot)}}
	for _, system := range systems {
		const form = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"
		for line := range strings.Lines(goFor(t, system, "list", "-deps", "-f", form, root)) {
			field := strings.Split(strings.TrimSpace(line), "\t")
			if len(field) != 4 {
				continue
			}
			module, ok := found[field[0]]
			if !ok {
				module = linked{field[0], field[1], map[string]string{}}
				found[field[0]] = module
			}
			for dir := field[3]; strings.HasPrefix(dir, field[2]); dir = filepath.Dir(dir) {
				maps.Copy(module.texts, legal(t, field[2], dir))
			}
		}
	}
	return found
}

// goFor runs go for a system.
func goFor(t *testing.T, system string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %q for %s: %v", args, system, err)
	}
	return string(out)
}

// legal reads the files of a directory that are about licenses.
func legal(t *testing.T, module, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-]\w+)?$`)
	texts := map[string]string{}
	for _, entry := range entries {
		if entry.IsDir() || !name.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inside, err := filepath.Rel(module, path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(strings.Trim(string(raw), "\f\r\n\t ")) {
			lines = append(lines, strings.TrimRight(line, "\f\r\n\t "))
		}
		texts[filepath.ToSlash(inside)] = strings.Join(lines, "\n")
	}
	return texts
}

// written returns the content of the file: a table, and each text once.
func written(t *testing.T, systems []string, modules map[string]linked) string {
	t.Helper()
	var table strings.Builder
	owners := map[string][]string{} // by text
	for _, m := range slices.SortedFunc(maps.Values(modules), func(a, b linked) int { return cmp.Compare(a.name, b.name) }) {
		var kinds []string
		for _, path := range slices.Sorted(maps.Keys(m.texts)) {
			text := m.texts[path]
			owners[text] = append(owners[text], m.name+": "+path)
			if base := strings.ToLower(filepath.Base(path)); strings.HasPrefix(base, "notice") || strings.HasPrefix(base, "patents") {
				continue
			}
			kind := spdx(text)
			if kind == "" {
				t.Errorf("%s: the license in %s is not known to be permissive", m.name, path)
			}
			kinds = append(kinds, kind)
		}
		if len(kinds) == 0 {
			t.Errorf("%s has no license", m.name)
		}
		slices.Sort(kinds)
		fmt.Fprintf(&table, "%-47s %-38s %s\n", m.name, m.version, strings.Join(slices.Compact(kinds), " and "))
	}
	var file strings.Builder
	fmt.Fprintf(&file, "magpipe_exporter for %s is linked with the modules below. Its own license is in LICENSE.\n"+
		"This file goes with the binary. To regenerate it: go test ./internal/acceptance -run TestLicenses -update\n\n%s", strings.Join(systems, ", "), table.String())
	line := strings.Repeat("=", 100)
	for _, text := range slices.SortedFunc(maps.Keys(owners), func(a, b string) int { return cmp.Compare(owners[a][0], owners[b][0]) }) {
		fmt.Fprintf(&file, "\n%s\n%s\n%s\n\n%s\n", line, strings.Join(owners[text], "\n"), line, text)
	}
	return file.String()
}

func TestLicensesOfAllThatIsLinkedAreKnownAndGoWithTheBinary(t *testing.T) {
	t.Parallel()
	systems := releasedFor(t)
	modules := linkedModules(t, systems)
	info, err := buildinfo.ReadFile(binary)
	if err != nil || len(info.Deps) == 0 {
		t.Fatalf("the binary has no list of its modules: %v", err)
	}
	for _, dep := range info.Deps {
		if modules[dep.Path].version != dep.Version || dep.Replace != nil {
			t.Errorf("%s %s is linked, %q listed", dep.Path, dep.Version, modules[dep.Path].version)
		}
	}
	want := written(t, systems, modules)
	if *update {
		if err := os.WriteFile(thirdParty, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(thirdParty)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is out of date: go test ./internal/acceptance -run TestLicenses -update, and look at the difference", thirdParty)
	}
}
