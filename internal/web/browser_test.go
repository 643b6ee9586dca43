package web_test

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"magpipe_exporter/apiclient/simulator"
)

// measured is what a browser measures of the landing page in one width.
type measured struct {
	Dark      bool    // the scheme that the browser prefers
	Styled    bool    // the style was applied
	Overflows bool    // the page is wider than the screen
	Contrast  float64 // the lowest of all texts
	Faint     string  // the text that has it
	Cards     bool    // the tables are shown as cards
}

// harness is a page that shows the landing page in two widths and measures it.
const harness = `<!DOCTYPE html>
<iframe src="/landing" width="390" height="900"></iframe>
<iframe src="/landing" width="1280" height="900"></iframe>
<pre></pre>
<script>
function channels(color) { return color.match(/[\d.]+/g).map(Number); }
function luminance(color) {
  const [r, g, b] = channels(color).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (channels(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
}
function contrast(element) {
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
function measure(frame) {
  const page = frame.contentDocument;
  const texts = [...page.body.querySelectorAll("*")].filter(e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()));
  const faint = texts.reduce((a, b) => contrast(a) <= contrast(b) ? a : b);
  return {
    Dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches,
    Styled: getComputedStyle(page.querySelector("table")).borderCollapse === "collapse",
    Overflows: page.documentElement.scrollWidth > frame.contentWindow.innerWidth,
    Contrast: contrast(faint), Faint: faint.textContent,
    Cards: getComputedStyle(page.querySelector("tbody tr")).display === "block",
  };
}
addEventListener("load", () => { document.querySelector("pre").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measure)); });
</script>`

// browser returns the path of Chromium, and skips the test if there is none.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("NOT CHECKED: there is no Chromium on this machine")
	return ""
}

func TestTheLandingPageIsReadableInABrowser(t *testing.T) {
	chromium := browser(t)
	account := simulator.New(simulator.Options{})
	healthy(account)
	troubled(account)
	account.Add(simulator.Campaign{ID: strings.Repeat("x", 200), Name: strings.Repeat("Donau", 80)})
	s := server(t, account, everything)
	s.Profiles = true
	s.Collector.Refresh(t.Context())
	handler, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, harness) })
	mux.Handle("/landing", framed(handler))
	tests := httptest.NewServer(mux)
	t.Cleanup(tests.Close)
	for scheme, setting := range map[string]string{"dark": "0", "light": "1"} {
		t.Run(scheme, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
				"--blink-settings=preferredColorScheme="+setting, "--virtual-time-budget=10000", "--dump-dom", tests.URL)
			page, err := command.Output()
			if err != nil {
				t.Fatal(err)
			}
			result := regexp.MustCompile(`<pre>(.*)</pre>`).FindStringSubmatch(string(page))
			var got []measured
			if result == nil || json.Unmarshal([]byte(html.UnescapeString(result[1])), &got) != nil {
				t.Fatalf("no result on the page:\n%s", page)
			}
			for i := range got {
				t.Logf("contrast %.1f: %q", got[i].Contrast, got[i].Faint)
				if got[i].Contrast < 4.5 {
					t.Errorf("%q has a contrast of %.2f, want at least 4.5", got[i].Faint, got[i].Contrast)
				}
				got[i].Contrast, got[i].Faint = 0, ""
			}
			dark := scheme == "dark"
			if diff := cmp.Diff([]measured{{Dark: dark, Styled: true, Cards: true}, {Dark: dark, Styled: true}}, got); diff != "" {
				t.Errorf("on a phone and on a desk (-want +got):\n%s", diff)
			}
		})
	}
}

// framed lets a page be shown in a frame of the same site, and changes nothing else.
func framed(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		page.ServeHTTP(answer, httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/", nil))
		maps.Copy(w.Header(), answer.Header())
		policy := answer.Header().Get("Content-Security-Policy")
		w.Header().Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
		w.Header().Del("X-Frame-Options")
		_, _ = answer.Body.WriteTo(w)
	})
}
