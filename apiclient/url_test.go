package apiclient_test

import (
	"strings"
	"testing"

	"magpipe_exporter/apiclient"
)

func TestTheKeyTravelsInClearOnlyToLoopbackOrWherePermitted(t *testing.T) {
	for _, c := range []struct {
		raw              string
		plain, permitted bool // accepted without, and with, http allowed
	}{
		{"https://api.magpipe.ai/functions/v1/batch-calls", true, true},
		{"HTTPS://api.magpipe.ai", true, true},
		{"https://api.magpipe.ai:8443/x?y=z", true, true},
		{"https://[2001:db8::1]/x", true, true},
		{"http://api.magpipe.ai/x", false, true},
		{"http://localhost:8080/x", true, true},
		{"http://127.0.0.1:8080", true, true},
		{"http://127.9.9.9", true, true},
		{"http://[::1]:8080/x", true, true},
		{"http://10.0.0.1", false, true},
		{"http://0.0.0.0", false, true},
		{"http://localhost.example.com", false, true},
		{"http://127.0.0.1.example.com", false, true},
		{"http://[::2]", false, true},
		{"https://user:secret@api.magpipe.ai", false, false},
		{"https://user@api.magpipe.ai", false, false},
		{"http://localhost@evil.example.com", false, false},
		{"", false, false},
		{"api.magpipe.ai", false, false},
		{"api.magpipe.ai:443/x", false, false},
		{"/functions/v1", false, false},
		{"//api.magpipe.ai", false, false},
		{"https://", false, false},
		{"https://:443/x", false, false},
		{"https:api.magpipe.ai", false, false},
		{"ftp://api.magpipe.ai", false, false},
		{"unix:///run/x.sock", false, false},
		{"https://api.magpipe.ai:port", false, false},
		{"https://a b/secret", false, false},
		{"https://%zz/secret", false, false},
		{"https://api.magpipe.ai/\x7f", false, false},
	} {
		for allow, want := range map[bool]bool{false: c.plain, true: c.permitted} {
			u, err := apiclient.ParseURL(c.raw, allow)
			if (err == nil) != want || (u != nil) != want {
				t.Errorf("%q, http allowed %v: %v, %v", c.raw, allow, u, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v", c.raw, err)
			}
		}
	}
}

func TestAnAcceptedURLIsUsedAsGiven(t *testing.T) {
	const raw = "https://api.magpipe.ai:8443/functions/v1/batch-calls?region=eu"
	if u, err := apiclient.ParseURL(raw, false); err != nil || u.String() != raw {
		t.Errorf("%v, %v", u, err)
	}
}
