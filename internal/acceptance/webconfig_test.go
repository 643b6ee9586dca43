package acceptance

import (
	"crypto/x509"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheExampleWebConfigTakesACertificateAndAPassword(t *testing.T) {
	t.Parallel()
	// The users that the example offers in a comment are added, with the hash of a known password.
	example := readFile(t, "dashboards/web-config.yml")
	offered := regexp.MustCompile(`(?m)^# basic_auth_users:\n#   prometheus: \S+$`)
	if !offered.MatchString(example) {
		t.Fatal("the example offers no basic authentication")
	}
	ours, other := newIssuer(t), newIssuer(t)
	cert, key := ours.issue(t, x509.ExtKeyUsageServerAuth)
	dir := files(t, map[string][]byte{
		"web-config.yml": []byte(offered.ReplaceAllLiteralString(example, users)),
		"ca.crt":         ours.pem, "tls.crt": cert, "tls.key": key,
	})
	p := start(t, nil, "--demo", "--web.config.file="+filepath.Join(dir, "web-config.yml"))
	url := strings.Replace(p.url, "http://", "https://", 1) + "/-/healthy"
	for name, c := range map[string]struct {
		client *http.Client
		user   string
		want   int
	}{
		"certificate and password":      {ours.client(t, ours), "prometheus", http.StatusOK},
		"certificate only":              {ours.client(t, ours), "", http.StatusUnauthorized},
		"no certificate":                {ours.client(t, nil), "prometheus", 0},
		"certificate of another":        {ours.client(t, other), "prometheus", 0},
		"certificate, but another user": {ours.client(t, ours), "grafana", http.StatusUnauthorized},
	} {
		eventually(t, 10*time.Second, name, func() bool {
			status, _, err := visit(t, c.client, url, c.user, "open sesame")
			return status == c.want && (err != nil) == (c.want == 0)
		})
	}
}
