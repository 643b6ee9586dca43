package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// authority signs certificates and writes them where the example config looks for them.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	a.issue(t, "ca", "")
	return a
}

// issue writes a certificate and, unless keyFile is "", its key. The first certificate is the authority's own.
func (a *authority) issue(t *testing.T, name, keyFile string) (signed tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := a.cert == nil
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: own,
	}
	if own {
		a.cert, a.key = plan, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, plan, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if own {
		if a.cert, err = x509.ParseCertificate(raw); err != nil {
			t.Fatal(err)
		}
	}
	a.write(t, name+".crt", "CERTIFICATE", raw)
	if keyFile != "" {
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		a.write(t, keyFile, "PRIVATE KEY", private)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func (a *authority) write(t *testing.T, file, kind string, content []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(filepath.Join(a.dir, file), block, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheExampleWebConfigLetsInWhoHasACertificateAndAPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir)
	a.issue(t, "magpipe", "magpipe.key.pem")
	example := readFile(t, "dashboards/web-config.yml")
	// What the example offers is taken up, with the hash of a password.
	offered := regexp.MustCompile(`(?m)^# basic_auth_users:\n#   prometheus: \S+$`)
	const users = "basic_auth_users:\n  prometheus: $2a$04$Wo8i/qrgrgKMzszzlMvCqueMQG5JQnebwlnsLM9JZBEU9/.3okFzK"
	if !offered.MatchString(example) {
		t.Fatal("the example offers no basic authentication")
	}
	config := filepath.Join(dir, "web-config.yml")
	if err := os.WriteFile(config, []byte(offered.ReplaceAllLiteralString(example, users)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--demo", "--web.config.file="+config)

	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	address := "https://" + p.url[len("http://"):] + "/-/healthy"
	ask := func(client []tls.Certificate, user string) (status int) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: client}}
		defer transport.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			request.SetBasicAuth(user, "open sesame")
		}
		response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	unknown := newAuthority(t, t.TempDir()).issue(t, "prometheus", "")
	known := a.issue(t, "prometheus", "")
	for name, test := range map[string]struct {
		client []tls.Certificate
		user   string
		want   int
	}{
		"certificate and password":    {[]tls.Certificate{known}, "prometheus", http.StatusOK},
		"certificate only":            {[]tls.Certificate{known}, "", http.StatusUnauthorized},
		"no certificate":              {nil, "prometheus", 0},
		"another's certificate":       {[]tls.Certificate{unknown}, "prometheus", 0},
		"certificate, another's name": {[]tls.Certificate{known}, "grafana", http.StatusUnauthorized},
	} {
		eventually(t, 10*time.Second, name, func() bool { return ask(test.client, test.user) == test.want })
	}
}
