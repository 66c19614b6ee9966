// Fills in what Go's text/template makes of the templates in a case file.
//
//	go run main.go ../testdata/*.txt
//
// A file holds cases separated by lines "===". Each is a template, a line "--- ok" or "--- error",
// and the output or error text, which this program rewrites. A template that begins with
// "{{/*default*/}}" runs without missingkey=zero.
package main

import (
	"errors"
	"os"
	"strings"
	"text/template"
)

// Obj has a counterpart of the same name in the Rust test.
type Obj struct {
	Name string
	V    any
}

func (o Obj) Get(key string) string      { return o.Name + "/" + key }
func (o Obj) Sum(n int, more ...int) int { return n + len(more) }
func (o Obj) Fail() (string, error)      { return "", errors.New("method failed") }
func (o Obj) Any() any                   { return o.V }

// Named prints as its String method says.
type Named struct{ A, B int }

func (n Named) String() string { return "named!" }

// Folder is a map with a method.
type Folder map[string]any

func (f Folder) Count() int { return len(f) }

func data() map[string]any {
	return map[string]any{
		"n": nil, "s": "hello", "empty": "", "i": 5, "i64": int64(7), "f": 1.5, "big": 1000000.0,
		"t": true, "no": false, "z": 0, "neg": -3, "uni": "h\u00e9llo \u4e16", "nl": "a\nb\t\"q\"",
		"list": []any{"a", "b", 3, nil}, "strs": []string{"x", "y"}, "ints": []int{1, 2, 3},
		"map": map[string]any{"b": 2, "a": 1, "nested": map[string]any{"deep": "v"}, "nul": nil},
		"sm":  map[string]string{"k": "v"}, "bytes": []byte("hi"), "u8": uint8(7), "u": uint64(9),
		"em": map[string]any{}, "el": []any{}, "html": "<a href=\"x\">'&</a>\x00",
		"obj": Obj{Name: "o"}, "ptr": &Obj{Name: "p", V: 1}, "named": Named{1, 2},
		"folder": Folder{"x": 1, "y": map[string]any{"z": true}}, "i32": int32(65), "f32": float32(0.1),
		"bad": "a\xffb",
	}
}

var funcs = template.FuncMap{
	"boom":   func() (string, error) { return "", errors.New("boom!") },
	"up":     strings.ToUpper,
	"joined": func(sep string, parts ...string) string { return strings.Join(parts, sep) },
	"ident":  func(v any) any { return v },
	"dict":   func() map[string]any { return map[string]any{} },
	"i64":    func(v int64) int64 { return v },
	"fl":     func(v float64) float64 { return v },
	"bl":     func(v bool) bool { return v },
	"m":      func(v map[string]any) int { return len(v) },
	"l":      func(v []any) int { return len(v) },
	"u8":     func(v uint8) uint8 { return v },
	"put":    func(m map[string]any, k string, v any) map[string]any { m[k] = v; return m },
}

func run(text string) (string, error) {
	t := template.New("root").Funcs(funcs)
	if !strings.HasPrefix(text, "{{/*default*/}}") {
		t.Option("missingkey=zero")
	}
	if _, err := t.New("t").Parse(text); err != nil {
		return "", err
	}
	var out strings.Builder
	err := t.ExecuteTemplate(&out, "t", data())
	return out.String(), err
}

func main() {
	for _, path := range os.Args[1:] {
		old, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		var cases []string
		for _, c := range strings.Split(strings.TrimSuffix(string(old), "\n"), "\n===\n") {
			text, _, _ := strings.Cut(c, "\n--- ")
			out, err := run(text)
			if err != nil {
				cases = append(cases, text+"\n--- error\n"+err.Error())
			} else {
				cases = append(cases, text+"\n--- ok\n"+out)
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(cases, "\n===\n")+"\n"), 0o644); err != nil {
			panic(err)
		}
	}
}
