package apiclient_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

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
		"byte order":    {"\ufeff" + key, ""},
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

func TestAMissingKeyNamesWhatToSet(t *testing.T) {
	_, err := apiclient.KeySource{}.Open()
	if err == nil || !strings.Contains(err.Error(), "--api.key-file") || !strings.Contains(err.Error(), "MAGPIPE_API_KEY") {
		t.Error(err)
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
		if !strings.HasPrefix(w, "the last API key is kept: ") {
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
