package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issuer is a certificate authority of one test.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	a := &issuer{}
	a.key, a.cert, a.pem = sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a)
	return a
}

// sign makes a certificate of a form and its key; that of an authority without a key is its own.
func sign(t *testing.T, form *x509.Certificate, by *issuer) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form.Subject, form.NotBefore, form.NotAfter = pkix.Name{CommonName: t.Name()}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if form.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	parent, signer := form, key
	if by.key != nil {
		parent, signer = by.cert, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// issue makes the two files of a server or a client, as PEM.
func (a *issuer) issue(t *testing.T, usage x509.ExtKeyUsage) (cert, key []byte) {
	t.Helper()
	made, _, cert := sign(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, a)
	raw, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// client returns a client that trusts the authority. It shows a certificate of shown, unless that is nil.
func (a *issuer) client(t *testing.T, shown *issuer) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if shown != nil {
		pair, err := tls.X509KeyPair(shown.issue(t, x509.ExtKeyUsageClientAuth))
		if err != nil {
			t.Fatal(err)
		}
		// The certificate is sent whatever the server requests; by default, one that it does not accept is not even sent.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// files writes files into one directory.
func files(t *testing.T, contents map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// visit asks for a page, as a user of the web config below, or as nobody if the user is "".
func visit(t *testing.T, client *http.Client, url, user, password string) (status int, proto string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Proto, err
}

const (
	serverOnly = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
	bothSides  = serverOnly + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
	users      = "basic_auth_users:\n  prometheus: $2a$04$Wo8i/qrgrgKMzszzlMvCqueMQG5JQnebwlnsLM9JZBEU9/.3okFzK\n" // open sesame
)

func everyEndpoint() []string {
	return []string{"/metrics", "/-/healthy", "/-/ready", "/", "/debug/pprof/", "/debug/pprof/heap"}
}

func TestTLSClientCertificatesAndPasswordsCoverEveryEndpoint(t *testing.T) {
	t.Parallel()
	ours, other := newIssuer(t), newIssuer(t)
	cert, key := ours.issue(t, x509.ExtKeyUsageServerAuth)
	for name, config := range map[string]string{"TLS": serverOnly, "certificates": bothSides, "passwords": serverOnly + users, "both": bothSides + users} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := files(t, map[string][]byte{"web.yml": []byte(config), "server.crt": cert, "server.key": key, "ca.crt": ours.pem})
			p := start(t, nil, "--demo", "--web.enable-pprof", "--web.config.file="+filepath.Join(dir, "web.yml"))
			url := strings.Replace(p.url, "http://", "https://", 1)
			certified, signed := strings.Contains(config, "client_auth"), strings.Contains(config, "basic_auth")
			known := ours.client(t, ours)
			ready := func() bool {
				status, _, err := visit(t, known, url+"/-/ready", "prometheus", "open sesame")
				return err == nil && status == http.StatusOK
			}
			eventually(t, 10*time.Second, "it gets ready", ready)
			for _, path := range everyEndpoint() {
				if status, proto, err := visit(t, known, url+path, "prometheus", "open sesame"); err != nil || status != http.StatusOK || proto != "HTTP/2.0" {
					t.Errorf("%s, with certificate and password: %v, %d, %s", path, err, status, proto)
				}
				for _, password := range []string{"", "close sesame"} {
					status, _, err := visit(t, known, url+path, strings.Repeat("prometheus", min(1, len(password))), password)
					if err != nil || (status == http.StatusUnauthorized) != signed {
						t.Errorf("%s, password %q: %v, %d", path, password, err, status)
					}
				}
				for who, client := range map[string]*http.Client{"without a certificate": ours.client(t, nil), "with one of another authority": ours.client(t, other)} {
					if _, _, err := visit(t, client, url+path, "prometheus", "open sesame"); (err != nil) != certified {
						t.Errorf("%s, %s: %v", path, who, err)
					}
				}
				if _, _, err := visit(t, other.client(t, ours), url+path, "", ""); err == nil {
					t.Errorf("%s: a client that does not know the authority accepts the certificate", path)
				}
				want(t, get(t, p.url+path), http.StatusBadRequest, "", "HTTP request to an HTTPS server")
			}
			for line := range strings.Lines(p.Log()) {
				if !strings.HasPrefix(line, "time=") {
					t.Errorf("this line of the log has another form: %s", line)
				}
			}
		})
	}
}

func TestTLSIsAtLeast12AndACertificateIsRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	ours, next := newIssuer(t), newIssuer(t)
	cert, key := ours.issue(t, x509.ExtKeyUsageServerAuth)
	dir := files(t, map[string][]byte{"web.yml": []byte(serverOnly), "server.crt": cert, "server.key": key})
	p := start(t, nil, "--demo", "--web.config.file="+filepath.Join(dir, "web.yml"))
	url := strings.Replace(p.url, "http://", "https://", 1)
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		roots := x509.NewCertPool()
		roots.AddCert(ours.cert)
		dialer := &tls.Dialer{Config: &tls.Config{MinVersion: version, MaxVersion: version, RootCAs: roots}}
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}

	cert, key = next.issue(t, x509.ExtKeyUsageServerAuth)
	for name, content := range map[string][]byte{"server.crt": cert, "server.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := visit(t, next.client(t, nil), url+"/-/healthy", "", ""); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	if _, _, err := visit(t, ours.client(t, nil), url+"/-/healthy", "", ""); err == nil {
		t.Error("the old certificate still serves")
	}
}
