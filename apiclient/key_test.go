package apiclient_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"magpipe_exporter/apiclient"
)

// keyFile makes a file and returns how to write it.
func keyFile(t *testing.T, content string) (path string, write func(string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	write = func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	return path, write
}

func TestAKeyIsOneWordOfPrintableASCII(t *testing.T) {
	for name, c := range map[string]struct{ given, want string }{
		"plain":         {key, key},
		"newline":       {key + "\n", key},
		"white space":   {" \t\r\n" + key + " \r\n\n", key},
		"punctuation":   {"~!a-Z_0/=+", "~!a-Z_0/=+"},
		"exactly 4 KiB": {strings.Repeat("k", 4096), strings.Repeat("k", 4096)},
		"empty":         {"", ""},
		"blank":         {" \n\t", ""},
		"two words":     {key + " " + key, ""},
		"two lines":     {key + "\n" + key, ""},
		"not ASCII":     {"mgp_é", ""},
		"byte order":    {"\ufeff" + key + "\r\n", key},
		"UTF-16":        {"\xff\xfem\x00g\x00", ""},
		"not UTF-8":     {"mgp_\xff", ""},
		"NUL":           {"mgp_\x00", ""},
		"DEL":           {"mgp_\x7f", ""},
		"over 4 KiB":    {strings.Repeat("k", 4097), ""},
		"far over":      {strings.Repeat("k", 100_000), ""},
	} {
		path, _ := keyFile(t, c.given)
		for _, source := range []apiclient.KeySource{{Value: c.given}, {File: path}, {File: path, Value: "other"}} {
			k, err := source.Open()
			if (err == nil) != (c.want != "") || (err == nil && k.Value() != c.want) {
				t.Errorf("%s, file %v: %v", name, source.File != "", err)
			}
			if err != nil && (k != nil || strings.Contains(err.Error(), "mgp_") || strings.Contains(err.Error(), "kkk")) {
				t.Errorf("%s: key %v, error %v", name, k, err)
			}
		}
	}
}

func TestWithoutAFileAndAValueThereIsNoKey(t *testing.T) {
	if k, err := (apiclient.KeySource{}).Open(); !errors.Is(err, apiclient.ErrNoKey) || k != nil {
		t.Errorf("%v, %v", k, err)
	}
}

func TestAKeyInQuotesOrAsAnAssignmentIsRefusedWithItsReason(t *testing.T) {
	for given, want := range map[string]error{
		`"` + key + `"`: apiclient.ErrKeyInQuotes, `'` + key + `'`: apiclient.ErrKeyInQuotes, `"` + key: apiclient.ErrKeyInQuotes, key + `'`: apiclient.ErrKeyInQuotes, `""`: apiclient.ErrKeyInQuotes,
		"MAGPIPE_API_KEY=" + key: apiclient.ErrKeyAssigned, `KEY="` + key + `"`: apiclient.ErrKeyAssigned, "export KEY=" + key: apiclient.ErrKeyAssigned, "API_KEY = " + key: apiclient.ErrKeyAssigned,
		key: nil, "abc==": nil, "ABC==": nil, "ABC=": nil, "mgp_a=b": nil, "a'b": nil,
	} {
		path, _ := keyFile(t, "  "+given+"\n")
		for _, source := range []apiclient.KeySource{{Value: given + "\n"}, {File: path}} {
			_, err := source.Open()
			if !errors.Is(err, want) || (err != nil) != (want != nil) {
				t.Errorf("%s: %v", given, err)
			}
			if err != nil && (strings.Contains(err.Error(), "mgp_") || strings.Contains(err.Error(), "MAGPIPE")) {
				t.Errorf("%s: %v", given, err)
			}
		}
	}
}

func TestAWarningMayAskForTheKey(t *testing.T) {
	path, write := keyFile(t, "first")
	var k *apiclient.Key
	var seen []string
	k, err := apiclient.KeySource{File: path, Warn: func(error) {
		if k != nil { // it is not open yet
			seen = append(seen, k.Value())
		}
	}}.Open()
	if err != nil {
		t.Fatal(err)
	}
	write("MAGPIPE_API_KEY=second")
	asked := make(chan string)
	go func() { asked <- k.Value() }()
	select {
	case got := <-asked:
		if got != "first" || !slices.Equal(seen, []string{"first"}) {
			t.Errorf("%q, the warning saw %q", got, seen)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the warning waits for the key, and the key for the warning")
	}
}

func TestAKeyFileThatCannotBeReadIsRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := (apiclient.KeySource{File: missing, Value: key}).Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := (apiclient.KeySource{File: t.TempDir()}).Open(); err == nil {
		t.Error("a directory was read")
	}
}

func TestARotatedKeyServesTheNextRequest(t *testing.T) {
	path, write := keyFile(t, "first\n")
	k, err := apiclient.KeySource{File: path}.Open()
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	see := func(r *http.Request) { sent = append(sent, r.Header.Get("Authorization")) }
	c := connect(t, apiclient.Config{Key: k, Transport: tap{exactly(`{"batches":[]}`), see}})
	for _, next := range []string{"second", "third", "third"} {
		if _, err := list(t, c); err != nil {
			t.Fatal(err)
		}
		write(next)
	}
	if _, err := list(t, c); err != nil || !slices.Equal(sent, []string{"Bearer first", "Bearer second", "Bearer third", "Bearer third"}) {
		t.Errorf("%v, sent %q", err, sent)
	}
}

func TestTheLastKeyIsKeptAndOneWarningGivenWhileItsFileIsBad(t *testing.T) {
	path, write := keyFile(t, "first")
	var warnings []string
	k, err := apiclient.KeySource{File: path, Warn: func(err error) { warnings = append(warnings, err.Error()) }}.Open()
	if err != nil {
		t.Fatal(err)
	}
	remove := func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		do       func()
		want     string
		warnings int
	}{
		{func() {}, "first", 0},
		{remove, "first", 1},
		{func() {}, "first", 1},
		{func() { write("two words") }, "first", 1},
		{func() { write("second") }, "second", 1},
		{func() { write("") }, "second", 2},
		{func() { write("third") }, "third", 2},
		{remove, "third", 3},
	} {
		step.do()
		if got := k.Value(); got != step.want || len(warnings) != step.warnings {
			t.Errorf("step %d: %q, warnings %q", i, got, warnings)
		}
	}
	for _, w := range warnings {
		if !strings.HasPrefix(w, "keeping the last API key: ") {
			t.Errorf("warning %q", w)
		}
	}
}

func TestABadKeyFileNeedsNobodyToWarn(t *testing.T) {
	path, write := keyFile(t, "first")
	k, err := apiclient.KeySource{File: path}.Open()
	if err != nil {
		t.Fatal(err)
	}
	write("")
	if got := k.Value(); got != "first" {
		t.Errorf("key %q", got)
	}
}

func TestAFileOver4KiBIsNoKeyFile(t *testing.T) {
	path, _ := keyFile(t, strings.Repeat(" ", 4090)+key)
	if k, err := (apiclient.KeySource{File: path}).Open(); err == nil {
		t.Errorf("opened as %q", k.Value())
	}
}

func TestAFileThatIsNotRegularIsNoKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (apiclient.KeySource{File: path}).Open(); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a pipe, which would block: %v", err)
	}
}

func TestAKeyFileThatOthersMayUseIsWarnedOfOncePerChange(t *testing.T) {
	path, write := keyFile(t, key)
	chmod := func(mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for mode, warned := range map[fs.FileMode]bool{
		0o400: false, 0o600: false, 0o440: false, 0o640: false, 0o660: false, 0o750: false, 0o601: false,
		0o444: true, 0o644: true, 0o604: true, 0o602: true, 0o666: true,
	} {
		chmod(mode)
		var warnings []string
		if _, err := (apiclient.KeySource{File: path, Warn: func(err error) { warnings = append(warnings, err.Error()) }}).Open(); err != nil {
			t.Errorf("%04o: %v", mode, err)
		}
		if (len(warnings) == 1) != warned || len(warnings) > 1 {
			t.Errorf("%04o: warnings %q", mode, warnings)
		}
		if warned && (!strings.Contains(warnings[0], path) || !strings.Contains(warnings[0], fmt.Sprintf("%04o", mode)) || strings.Contains(warnings[0], key)) {
			t.Errorf("%04o: %s", mode, warnings[0])
		}
	}

	warnings := 0
	k, err := apiclient.KeySource{File: path, Warn: func(error) { warnings++ }}.Open()
	chmod(0o600)
	k.Value()
	warnings = 0
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() { chmod(0o644) }, 1},
		{func() {}, 1},
		{func() { chmod(0o666); write("second") }, 1},
		{func() { chmod(0o600) }, 1},
		{func() { chmod(0o604) }, 2},
		{func() { chmod(0o400) }, 2},
	} {
		step.do()
		if k.Value(); warnings != step.want {
			t.Errorf("step %d: %d warnings, want %d", i, warnings, step.want)
		}
	}
	chmod(0o644)
	if _, err := (apiclient.KeySource{File: path}).Open(); err != nil {
		t.Errorf("with nobody to warn: %v", err)
	}
}

func TestALinkIsFollowedWhereItsTargetIsReplaced(t *testing.T) {
	// As in Kubernetes: key -> now/key, and now -> a directory that is replaced at each change.
	dir := t.TempDir()
	turn := func(name, content string) {
		t.Helper()
		err := errors.Join(
			os.Mkdir(filepath.Join(dir, name), 0o700),
			os.WriteFile(filepath.Join(dir, name, "key"), []byte(content), 0o400),
			os.Symlink(name, filepath.Join(dir, "next")),
			os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "now")),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	turn("a", "first\n")
	path := filepath.Join(dir, "key")
	if err := os.Symlink(filepath.Join("now", "key"), path); err != nil {
		t.Fatal(err)
	}
	var warnings []error
	k, err := apiclient.KeySource{File: path, Warn: func(err error) { warnings = append(warnings, err) }}.Open()
	if err != nil || k.Value() != "first" {
		t.Fatal(err)
	}
	turn("b", "second\n")
	if got := k.Value(); got != "second" || warnings != nil {
		t.Errorf("%q, warnings %v", got, warnings)
	}
}
