package acceptance

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const freePort = "--web.listen-address=127.0.0.1:0"

func TestWhatKeepsItFromServingExitsWith1AndOneErrorThatSaysWhat(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string][]byte{"empty": []byte("\n"), "quoted": []byte(`"` + madeUpKey + `"`), "assigned": []byte("MAGPIPE_API_KEY=" + madeUpKey + "\n")})
	empty := filepath.Join(dir, "empty")
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	rows := []struct {
		name, says string
		args       []string
	}{
		{"no key", "--api.key-file", nil},
		{"no key file", filepath.Join(dir, "missing"), []string{"--api.key-file=" + filepath.Join(dir, "missing")}},
		{"empty key file", empty, []string{"--api.key-file=" + empty}},
		{"key file in quotes", "--api.key-file", []string{"--api.key-file=" + filepath.Join(dir, "quoted")}},
		{"key file with an assignment", "--api.key-file", []string{"--api.key-file=" + filepath.Join(dir, "assigned")}},
		{"key file is a directory", dir, []string{"--api.key-file=" + dir}},
		{"port taken", "--web.listen-address: listen tcp " + taken.Addr().String(), []string{"--demo", "--web.listen-address=" + taken.Addr().String()}},
		{"no port", "--web.listen-address: ", []string{"--demo", "--web.listen-address=127.0.0.1"}},
		{"no port of vsock", "--web.listen-address: ", []string{"--demo", "--web.listen-address=vsock://:x"}},
		{"no web config", "--web.config.file=" + filepath.Join(dir, "none.yml"), []string{"--demo", freePort, "--web.config.file=" + filepath.Join(dir, "none.yml")}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			execute(t, nil, row.args...).wantOneError(t, 1, row.says)
		})
	}
	for name, value := range map[string]string{"in quotes": "'" + madeUpKey + "'", "an assignment": "MAGPIPE_API_KEY=" + madeUpKey} {
		t.Run("the variable holds a key "+name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, []string{"MAGPIPE_API_KEY=" + value}, freePort)
			got.wantOneError(t, 1, "MAGPIPE_API_KEY: the API key")
			wantNoKey(t, name, got)
		})
	}
	if runtime.GOOS == "linux" {
		execute(t, nil, "--demo", "--web.systemd-socket").wantOneError(t, 1, "--web.systemd-socket: ")
	}
}

func TestABadWebConfigExitsWith1AndOneErrorThatSaysWhat(t *testing.T) {
	t.Parallel()
	ours := newIssuer(t)
	cert, key := ours.issue(t, x509.ExtKeyUsageServerAuth)
	_, otherKey := ours.issue(t, x509.ExtKeyUsageServerAuth)
	for name, row := range map[string]struct{ config, says string }{
		"no YAML":                  {"tls_server_config: [", "yaml: line 1"},
		"two unknown keys":         {"basic_auth: none\ntls: none\n", "line 1: field basic_auth not found in type web.Config line 2: field tls not found"},
		"another type":             {"basic_auth_users: [a]\n", "cannot unmarshal"},
		"a password in clear":      {"basic_auth_users:\n  prometheus: open sesame\n", "bcrypt"},
		"no certificate file":      {"tls_server_config:\n  cert_file: none.crt\n  key_file: server.key\n", "none.crt"},
		"no certificate in it":     {"tls_server_config:\n  cert_file: web.yml\n  key_file: server.key\n", "PEM"},
		"no key":                   {"tls_server_config:\n  cert_file: server.crt\n", "key_file"},
		"the key of another":       {"tls_server_config:\n  cert_file: server.crt\n  key_file: other.key\n", "private key does not match"},
		"an unknown version":       {serverOnly + "  min_version: TLS99\n", "TLS99"},
		"an unknown policy":        {serverOnly + "  client_auth_type: Maybe\n", "Maybe"},
		"no authority file":        {serverOnly + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: none.crt\n", "none.crt"},
		"a header of its own":      {"http_server_config:\n  headers:\n    X-Own: a\n", "X-Own"},
		"authority, but no policy": {serverOnly + "  client_ca_file: ca.crt\n", "Client Auth Policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := files(t, map[string][]byte{"web.yml": []byte(row.config), "server.crt": cert, "server.key": key, "other.key": otherKey, "ca.crt": ours.pem})
			path := filepath.Join(dir, "web.yml")
			got := execute(t, nil, "--demo", freePort, "--web.config.file="+path)
			got.wantOneError(t, 1, "--web.config.file="+path)
			got.wantOneError(t, 1, row.says)
			if strings.Contains(got.err, `\n`) || strings.Contains(got.err, "sesame") {
				t.Errorf("the message has several lines, or the password:\n%s", got.err)
			}
		})
	}
}

func TestAFileThatMayNotBeReadExitsWith1AndOneErrorThatSaysWhich(t *testing.T) {
	t.Parallel()
	cert, key := newIssuer(t).issue(t, x509.ExtKeyUsageServerAuth)
	dir := files(t, map[string][]byte{"web.yml": []byte(serverOnly), "server.crt": cert, "server.key": key, "api.key": []byte(madeUpKey)})
	for path, mode := range map[string]os.FileMode{"..": 0o755, ".": 0o755, "web.yml": 0o644, "server.crt": 0o644, "server.key": 0o000, "api.key": 0o000} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	for named, args := range map[string][]string{
		"api.key":    {"--api.key-file=" + filepath.Join(dir, "api.key")},
		"server.key": {"--demo", "--web.config.file=" + filepath.Join(dir, "web.yml")},
	} {
		cmd := command(nil, append(args, freePort)...)
		if os.Geteuid() == 0 { // root may read everything
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		got := conclude(t, cmd)
		got.wantOneError(t, 1, filepath.Join(dir, named))
		got.wantOneError(t, 1, "permission denied")
	}
}
