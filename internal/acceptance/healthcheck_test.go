package acceptance

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHealthcheckGetsAnAnswerWhateverTheWebConfigAsksFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir)
	const (
		encrypted = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
		users     = "basic_auth_users:\n  prometheus: $2a$04$Wo8i/qrgrgKMzszzlMvCqueMQG5JQnebwlnsLM9JZBEU9/.3okFzK\n"
		clients   = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: cert.pem\n"
	)
	for name, config := range map[string]string{
		"none":                         "",
		"basic auth":                   users,
		"TLS":                          encrypted,
		"TLS and basic auth":           encrypted + users,
		"client certificates":          encrypted + clients,
		"client certificates, TLS 1.2": encrypted + clients + "  max_version: TLS12\n",
		"HTTP/2 refused":               encrypted + "http_server_config:\n  http2: false\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, strings.NewReplacer(" ", "-", "/", "-").Replace(name)+".yml")
			if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			flags := []string{"--web.config.file=" + path}
			if config == "" {
				flags = nil
			}
			p := start(t, nil, append(flags, "--demo")...)
			flags = append(flags, "--healthcheck", "--web.listen-address="+strings.TrimPrefix(p.url, "http://"))
			if got := execute(t, nil, flags...); got.code != 0 || got.out+got.err != "" {
				t.Errorf("the exit code is %d, want 0 in silence; it says: %s%s", got.code, got.out, got.err)
			}
			p.Kill()
			if strings.Contains(config, "tls_server_config") && !strings.Contains(p.Log(), "TLS is enabled") {
				t.Error("the exporter does not speak TLS, so this tests nothing")
			}
			if strings.Contains(p.Log(), "client sent an HTTP request to an HTTPS server") {
				t.Error("it was asked without TLS")
			}
			execute(t, nil, flags...).wantOneError(t, 1, "--healthcheck")
		})
	}
}

func TestHealthcheckFindsTheExporterOnAnyAddressAndAsksEach(t *testing.T) {
	t.Parallel()
	listen, wanted := []string{"--demo", "--web.listen-address=:0"}, 2
	if six, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "[::1]:0"); err != nil {
		t.Logf("without IPv6, which this machine does not have: %v", err)
	} else if listen, wanted = append(listen, "--web.listen-address=[::1]:0"), 3; six.Close() != nil {
		t.Fatal("the listener cannot be closed")
	}
	p := start(t, nil, listen...)
	listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	var addresses [][]string
	eventually(t, 10*time.Second, "it listens on all addresses", func() bool {
		addresses = listening.FindAllStringSubmatch(p.Log(), -1)
		return len(addresses) == wanted
	})
	var flags []string
	for _, m := range addresses {
		flags = append(flags, "--web.listen-address="+m[1])
		host, port, err := net.SplitHostPort(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if net.ParseIP(host).IsUnspecified() {
			flags = append(flags, "--web.listen-address=:"+port, "--web.listen-address=0.0.0.0:"+port, "--web.listen-address=localhost:"+port)
		}
	}
	if got := execute(t, nil, append(flags, "--healthcheck")...); got.code != 0 {
		t.Errorf("the exit code is %d, want 0; standard error: %s", got.code, got.err)
	}
	silent := unused(t)
	execute(t, nil, append(flags, "--healthcheck", "--web.listen-address="+silent)...).wantOneError(t, 1, silent)
}

func TestHealthcheckSaysWhatKeepsItFromAsking(t *testing.T) {
	t.Parallel()
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	for flag, says := range map[string]string{
		"--web.listen-address=" + unused(t):                 "connection refused",
		"--web.listen-address=" + mute.Addr().String():      "deadline exceeded",
		"--web.listen-address=127.0.0.1:0":                  "fixed port",
		"--web.listen-address=127.0.0.1":                    "fixed port",
		"--web.listen-address=vsock://:10240":               "vsock",
		"--web.systemd-socket":                              "--web.systemd-socket",
		"--web.config.file=" + t.TempDir() + "/nowhere.yml": "no such file",
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			execute(t, nil, "--healthcheck", flag).wantOneError(t, 1, says)
		})
	}
}

func TestHealthcheckFailsIfAnotherProgramAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{204, 302, 403, 404, 429, 500, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			t.Cleanup(other.Close)
			execute(t, nil, "--healthcheck", "--web.listen-address="+other.Listener.Addr().String()).
				wantOneError(t, 1, "the answer is "+strconv.Itoa(status)+" "+http.StatusText(status))
		})
	}
}

func TestHealthcheckWithoutTheWebConfigSaysThatAFlagMayBeMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir)
	config := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(config, []byte("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--demo", "--web.config.file="+config)
	execute(t, nil, "--healthcheck", "--web.listen-address="+strings.TrimPrefix(p.url, "http://")).
		wantOneError(t, 1, "or is a --web flag missing?")
}

// One request is allowed, and the next one after an hour.
func TestHealthcheckPassesIfTheExporterLimitsItsClients(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(config, []byte("rate_limit:\n  interval: 1h\n  burst: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--demo", "--web.config.file="+config)
	flags := []string{"--healthcheck", "--web.config.file=" + config, "--web.listen-address=" + strings.TrimPrefix(p.url, "http://")}
	for range 2 {
		if got := execute(t, nil, flags...); got.code != 0 {
			t.Errorf("the exit code is %d, want 0; standard error: %s", got.code, got.err)
		}
	}
	if got := get(t, p.url+"/-/healthy"); got.status != http.StatusTooManyRequests {
		t.Errorf("the status is %d, want 429: this tests nothing", got.status)
	}
}

// A TLS server that fails for reasons on its own side serves nobody.
func TestHealthcheckFailsIfTheCertificateCanNoLongerBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir)
	config := filepath.Join(dir, "web.yml")
	const content = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--demo", "--web.config.file="+config)
	readable := config + ".readable" // for the healthcheck: the same, with files that can be read
	if err := os.Mkdir(filepath.Join(dir, "own"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, filepath.Join(dir, "own"))
	if err := os.WriteFile(readable, []byte(strings.ReplaceAll(content, ": ", ": own/")), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--healthcheck", "--web.config.file=" + readable, "--web.listen-address=" + strings.TrimPrefix(p.url, "http://")}
	if got := execute(t, nil, flags...); got.code != 0 {
		t.Fatalf("the exit code is %d, want 0; standard error: %s", got.code, got.err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, nil, flags...).wantOneError(t, 1, "remote error: tls: internal error")
}

// unused returns an address that nothing listens on.
func unused(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// writeCertificate writes cert.pem and key.pem.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	cert, key := newIssuer(t).issue(t, x509.ExtKeyUsageServerAuth)
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
