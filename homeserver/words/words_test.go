package words

import (
	"slices"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"!?  –":                       nil,
		"Fieber, Fieber: 39,5 °C":     {"39,5", "c", "fieber"},
		"2.5 mg of Müller's ÇA":       {"2.5", "ca", "mg", "muller", "of", "s"},
		"end. 10.":                    {"10", "end"},
		"Straße":                      {"strasse"},
		"ﬁeld ½":                      {"1", "2", "field"},
		"الحُمّى":                     {"الحمى"},
		"東京都":                         {"京", "京都", "東", "東京", "都"},
		"COVID検査":                     {"covid", "検", "検査", "査"},
		"병원에서":                        {"병", "병원", "서", "에", "에서", "원", "원에"},
		"mg5":                         {"mg5"},
		"v1.10.2":                     {"v1.10.2"},
		"\xff\xfe bad":                {"bad"},
		string(make([]byte, 3)) + "x": {"x"},
	} {
		slices.Sort(want)
		if got := Of(text); !slices.Equal(got, want) {
			t.Errorf("Of(%q) = %q, want %q", text, got, want)
		}
	}
	for query, want := range map[string][]string{"東京": {"東京"}, "東": {"東"}, "東京 fever": {"fever", "東京"}, "ไข้": Wanted("ไข้")} {
		if got := Wanted(query); !slices.Equal(got, want) {
			t.Errorf("Wanted(%q) = %q, want %q", query, got, want)
		}
	}
	if all, hits := Count("Fever? No fever at 8.", []string{"fever"}); all != 5 || hits != 2 {
		t.Errorf("%d of %d words", hits, all)
	}
}

// Whatever a text is, it is found by itself.
func FuzzWanted(f *testing.F) {
	for _, s := range []string{"a b", "東京都", "1.5.", "병원", "ไข้สูง", "\xff", "ß½", "x́"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		of := Of(s)
		for _, w := range Wanted(s) {
			if _, ok := slices.BinarySearch(of, w); !ok {
				t.Errorf("%q is not found by its own %q", s, w)
			}
		}
		for _, w := range of {
			if w == "" || len(w) > maxWord || !utf8.ValidString(w) {
				t.Errorf("word %q of %q", w, s)
			}
		}
	})
}
