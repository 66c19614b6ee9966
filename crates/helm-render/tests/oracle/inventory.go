package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"text/template"
	_ "unsafe" // for go:linkname

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

//go:linkname funcMap helm.sh/helm/v4/pkg/engine.funcMap
func funcMap() template.FuncMap

// inventory lists what a template can reach: all functions with their signatures, and of every
// type that functions, fields, methods and the built-in objects give, all methods and fields.
func inventory() string {
	var out strings.Builder
	functions := funcMap()
	// The map has placeholders for what the engine binds late.
	functions["include"] = func(string, any) (string, error) { return "", nil }
	functions["tpl"] = func(string, any) (string, error) { return "", nil }
	var names []string
	for name := range functions {
		names = append(names, name)
	}
	sort.Strings(names)
	seen := map[reflect.Type]bool{}
	var queue []reflect.Type
	reach := func(t reflect.Type) {
		if !seen[t] {
			seen[t] = true
			queue = append(queue, t)
		}
	}
	results := func(t reflect.Type) {
		for i := range t.NumOut() {
			reach(t.Out(i))
		}
	}
	for _, name := range names {
		t := reflect.TypeOf(functions[name])
		fmt.Fprintf(&out, "func %s %s\n", name, t)
		results(t)
	}
	for _, t := range dotTypes() {
		reach(t)
	}
	sections := map[string]string{}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		var section strings.Builder
		for i := range t.NumMethod() {
			m := t.Method(i)
			signature := m.Type.String()
			if t.Kind() != reflect.Interface {
				signature = withoutReceiver(m.Type)
			}
			fmt.Fprintf(&section, "  method %s %s\n", m.Name, signature)
			if m.Type.NumOut() == 1 || m.Type.NumOut() == 2 && m.Type.Out(1).Name() == "error" {
				reach(m.Type.Out(0))
			}
		}
		shape := t
		if t.Kind() == reflect.Pointer {
			shape = t.Elem()
		}
		switch shape.Kind() {
		case reflect.Struct:
			for i := range shape.NumField() {
				if f := shape.Field(i); f.IsExported() {
					fmt.Fprintf(&section, "  field %s %s\n", f.Name, f.Type)
					// A field that is reached through a pointer has the methods of its own pointer, too.
					if t.Kind() == reflect.Pointer && f.Type.Kind() != reflect.Pointer {
						reach(reflect.PointerTo(f.Type))
					} else {
						reach(f.Type)
					}
				}
			}
		case reflect.Slice, reflect.Map:
			reach(shape.Elem())
		}
		if section.Len() > 0 {
			sections[t.String()] = section.String()
		}
	}
	names = nil
	for name := range sections {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&out, "type %s\n%s", name, sections[name])
	}
	return out.String()
}

func withoutReceiver(t reflect.Type) string {
	var in, outs []reflect.Type
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for i := range t.NumOut() {
		outs = append(outs, t.Out(i))
	}
	return reflect.FuncOf(in, outs, t.IsVariadic()).String()
}

// dotTypes gives the types of all that is in a template's dot.
func dotTypes() []reflect.Type {
	var types []reflect.Type
	var walk func(any)
	walk = func(v any) {
		if v == nil {
			return
		}
		types = append(types, reflect.TypeOf(v))
		switch v := v.(type) {
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		case common.Values:
			for _, item := range v {
				walk(item)
			}
		}
	}
	c, err := loader.LoadFiles(files(nil, "{{ probe . }}"))
	if err != nil {
		panic(err)
	}
	options := common.ReleaseOptions{Name: "rel", Namespace: "ns", Revision: 1, IsInstall: true}
	v, err := util.ToRenderValues(c, map[string]any{}, options, common.DefaultCapabilities)
	if err != nil {
		panic(err)
	}
	probe := func(dot any) string { walk(dot); return "" }
	e := engine.Engine{CustomTemplateFuncs: template.FuncMap{"probe": probe}}
	if _, err := e.Render(c, v); err != nil {
		panic(err)
	}
	return types
}

// expressions gives a value of each type that has methods or fields.
var expressions = []struct{ of, text string }{
	{"time.Time", `(toDate "2006-01-02T15:04:05Z07:00" "2024-02-29T23:59:58.5+05:30")`},
	{"time.Time", `(toDate "2006-01-02" "2023-12-31")`},
	{"time.Duration", `(mustToDuration "-1h30m5.25s")`},
	{"time.Month", `(toDate "2006-01-02" "2024-02-29").Month`},
	{"time.Weekday", `(toDate "2006-01-02" "2024-02-29").Weekday`},
	{"*time.Location", `(toDate "2006-01-02" "2024-02-29").UTC.Location`},
	{"*semver.Version", `(semver "v1.2.3-rc.1+b.2")`},
	{"semver.Version", `(semver "1.2.3").IncMinor`},
	{"common.Values", `.Values.map`},
	{"common.Values", `.Template`},
	{"*common.KubeVersion", `.Capabilities.KubeVersion`},
	{"*common.VersionSet", `.Capabilities.APIVersions`},
	{"engine.files", `.Files`},
	// What these print depends on chance or on the build: their types must do.
	{"*common.Capabilities", `.Capabilities`},
	{"*version.BuildInfo", `.Capabilities.HelmVersion`},
	{"sprig.certificate", `(genSelfSignedCert "x" nil nil 1)`},
}

// methodCases calls each name that any type has on a value of every type.
func methodCases(inventory string) string {
	names := map[string]bool{"Nope": true}
	known := map[string]bool{}
	for _, line := range strings.Split(inventory, "\n") {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "  ") {
			names[words[1]] = true
		} else if len(words) > 1 && words[0] == "type" {
			known[words[1]] = true
		}
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	var cases []string
	covered := map[string]bool{"error": true}
	for _, e := range expressions {
		covered[e.of] = true
		for _, name := range sorted {
			call := e.text + "." + name
			if strings.HasPrefix(e.of, "*common.Cap") || e.of == "sprig.certificate" || e.of == "*version.BuildInfo" {
				cases = append(cases, "{{ "+call+" | typeOf }}")
				continue
			}
			cases = append(cases, "{{ "+call+" }}")
			if has(inventory, e.of, name) {
				cases = append(cases,
					"{{ "+call+" | typeOf }}",
					"{{ "+call+" nil }}",
					"{{ "+call+` "x" }}`,
					"{{ "+call+" 1 2 3 4 5 }}",
					"{{ "+call+" 1 2 3 | toJson }}",
				)
			}
		}
	}
	for name := range known {
		if !covered[name] {
			panic("no expression for " + name)
		}
	}
	return strings.Join(cases, "\n--- \n===\n") + "\n--- \n"
}

func has(inventory, of, name string) bool {
	_, section, _ := strings.Cut(inventory, "type "+of+"\n")
	section, _, _ = strings.Cut(section, "\ntype ")
	return strings.Contains(section, "method "+name+" ") || strings.Contains(section, "field "+name+" ")
}

func write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		panic(err)
	}
}
