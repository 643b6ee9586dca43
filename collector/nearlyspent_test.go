package collector_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"magpipe_exporter/apiclient"
	"magpipe_exporter/apiclient/simulator"
	"magpipe_exporter/collector"
)

func TestTheListIsHeldToItsShareWhenOthersHaveNearlySpentTheAccountsWindow(t *testing.T) {
	const share = 11 // of the requests that the budget regains in half an hour, the list's twentieth
	synctest.Test(t, func(t *testing.T) {
		account := simulator.New(simulator.Options{})
		account.Add(simulator.Campaign{Recipients: 3})
		account.Inject(simulator.Fault{Header: http.Header{
			"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"60"}, "X-Ratelimit-Reset": {strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)},
		}})
		endpoint, err := apiclient.ParseURL("https://magpipe.example", false)
		if err != nil {
			t.Fatal(err)
		}
		key, err := apiclient.KeySource{Value: "mgp_test"}.Open()
		if err != nil {
			t.Fatal(err)
		}
		c := collector.New(collector.Config{
			API:        apiclient.Config{URL: endpoint, Key: key, Transport: account.Client().Transport},
			MinRefresh: 10 * time.Second, MaxStaleness: 5 * time.Minute, MaxBatches: 500,
		})
		defer c.Close()
		c.Refresh(t.Context())
		first := len(account.Requests())
		for range 120 {
			time.Sleep(15 * time.Second)
			c.Refresh(t.Context())
		}
		if more := len(account.Requests()) - first; more < share-1 || more > share+1 {
			t.Errorf("%d requests in half an hour, want %d", more, share)
		}
	})
}
