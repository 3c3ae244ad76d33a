package preview

import (
	"bytes"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

// property is one of a preview: where in a page it comes from, best first, and how many characters are kept.
type property struct {
	name string
	from []string
	most int
}

// pageTitle stands for the title element among the names of meta elements.
const pageTitle = "<title>"

var properties = []property{
	{"og:title", []string{"og:title", "twitter:title", pageTitle}, 300},
	{"og:description", []string{"og:description", "twitter:description", "description"}, 1000},
	{"og:site_name", []string{"og:site_name", "application-name"}, 200},
	{"og:type", []string{"og:type"}, 100},
	{"og:locale", []string{"og:locale"}, 50},
	{"og:image:alt", []string{"og:image:alt", "twitter:image:alt"}, 500},
	{"theme-color", []string{"theme-color"}, 50},
}

// Names of meta elements with addresses.
var (
	pictures  = []string{"og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src"}
	canonical = []string{"og:url"}
)

// wanted are all names of meta elements that are looked at.
var wanted = func() map[string]bool {
	all := map[string]bool{}
	for _, p := range append(properties, property{from: pictures}, property{from: canonical}) {
		for _, name := range p.from {
			all[name] = true
		}
	}
	return all
}()

// parse takes from a page what it says of itself, and the address of its picture, which may be empty. It reads
// the page's tags one after the other and builds no tree, so depth costs nothing.
func parse(body []byte, contentType string, at *url.URL) (preview Preview, picture string) {
	preview = Preview{}
	text, err := charset.NewReader(bytes.NewReader(body), contentType)
	if err != nil {
		return preview, "" // nothing in it
	}
	said, base := scan(html.NewTokenizer(text))
	first := func(names []string) string {
		for _, name := range names {
			if said[name] != "" {
				return said[name]
			}
		}
		return ""
	}
	for _, p := range properties {
		if value := clean(first(p.from), p.most); value != "" {
			preview[p.name] = value
		}
	}
	if b := webAddress(at, base); b != nil {
		at = b
	}
	if u := webAddress(at, first(canonical)); u != nil {
		preview["og:url"] = u.String()
	}
	if u := webAddress(at, first(pictures)); u != nil {
		picture = u.String()
	}
	return preview, picture
}

// scan reads a page's meta elements, the first of each name, its title, and the base of its addresses.
func scan(z *html.Tokenizer) (said map[string]string, base string) {
	said = map[string]string{}
	keep := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" && said[name] == "" {
			said[name] = value
		}
	}
	inTitle := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return said, base
		case html.TextToken:
			if inTitle {
				keep(pageTitle, string(z.Text()))
			}
			inTitle = false
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, more := z.TagName()
			inTitle = string(tag) == "title"
			if string(tag) != "meta" && string(tag) != "base" {
				continue
			}
			isBase := string(tag) == "base"
			attributes := attributesOf(z, more)
			if isBase && base == "" {
				base = attributes["href"]
			}
			for _, name := range []string{attributes["property"], attributes["name"]} {
				if name = strings.ToLower(strings.TrimSpace(name)); !isBase && wanted[name] {
					keep(name, attributes["content"])
				}
			}
		default:
			inTitle = false
		}
	}
}

// attributesOf reads the attributes of a tag that are looked at. Of two with one name the first counts.
func attributesOf(z *html.Tokenizer, more bool) map[string]string {
	all := map[string]string{}
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch name := string(key); name {
		case "property", "name", "content", "href":
			if _, twice := all[name]; !twice {
				all[name] = string(value)
			}
		}
	}
	return all
}

// webAddress resolves an address of a page; nil if it is none of the web's.
func webAddress(at *url.URL, text string) *url.URL {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxLink {
		return nil
	}
	u, err := at.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil
	}
	return u
}

// clean makes text of a stranger fit to stand between other text: one line, of bounded length, without control
// characters and without those that turn the direction of what follows.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	text = strings.Join(strings.Fields(text), " ")
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}
