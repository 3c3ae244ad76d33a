package web

import (
	"fmt"
	"net/url"
	"strings"
)

// permissionsPolicy leaves the app what a messenger needs, on its own origin only.
const permissionsPolicy = "camera=(self), microphone=(self), display-capture=(self), geolocation=(self), " +
	"fullscreen=(self), clipboard-write=(self), web-share=(self), screen-wake-lock=(self), " +
	"accelerometer=(), autoplay=(self), bluetooth=(), browsing-topics=(), gyroscope=(), hid=(), magnetometer=(), " +
	"midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()"

// contentSecurityPolicy writes the policy out: everything is forbidden but our own files, WebAssembly compiled from
// them (the encryption), requests to our own server, and pictures the app has itself decrypted (blob:).
func contentSecurityPolicy(frameAncestors []string) (string, error) {
	ancestors := "'none'"
	if len(frameAncestors) > 0 {
		for _, origin := range frameAncestors {
			if err := checkOrigin(origin); err != nil {
				return "", err
			}
		}
		ancestors = strings.Join(frameAncestors, " ")
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' 'wasm-unsafe-eval'",
		"style-src 'self'",
		"img-src 'self' blob:",
		"media-src 'self' blob:",
		"font-src 'self'",
		"connect-src 'self'",
		"worker-src 'self'",
		"manifest-src 'self'",
		"frame-src 'none'",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors " + ancestors,
	}, "; "), nil
}

// checkOrigin refuses what could add words to the policy or mean more than one site.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || origin != u.Scheme+"://"+u.Host ||
		strings.ContainsAny(u.Host, "*;,'\" \t\r\n") {
		return fmt.Errorf("frame ancestor %q: want an origin such as https://ehr.example.org", origin)
	}
	return nil
}
