// Fills in what Helm 4.3.1 makes of the templates in a case file.
//
//	go run . ../testdata/functions.txt ../testdata/generated.txt ../testdata/secrets_and_kinds.txt ../testdata/expressions.txt
//	go run . -inventory ../testdata/inventory.txt ../testdata/methods.txt
//	go run . -answer ../testdata/values.yaml
//
// The second form writes down all that templates can reach, and calls of it (inventory.go), the
// third answers questions on standard input (answer.go).
//
// Each case of the file is the NOTES.txt of a chart whose values are testdata/values.yaml. A case is
// a template, a line "--- ok" or "--- error", and the output or error text, which this program
// rewrites. Lines "===" stand between cases.
package main

import (
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

const chartYaml = "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: \"4.5\"\nannotations:\n  note: x\n"

func files(values []byte, template string) []*archive.BufferedFile {
	return []*archive.BufferedFile{
		{Name: "Chart.yaml", Data: []byte(chartYaml)},
		{Name: "values.yaml", Data: values},
		{Name: "files/a.txt", Data: []byte("first\nsecond\n")},
		{Name: "files/b.json", Data: []byte("{}")},
		{Name: "files/sub/c.txt", Data: []byte("c\xff")},
		{Name: "templates/NOTES.txt", Data: []byte(template)},
	}
}

func run(template string, values []byte) (string, error) {
	c, err := loader.LoadFiles(files(values, template))
	if err != nil {
		return "", err
	}
	options := common.ReleaseOptions{Name: "rel", Namespace: "ns", Revision: 1, IsInstall: true}
	v, err := util.ToRenderValues(c, map[string]any{}, options, common.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	out, err := engine.Render(c, v)
	return out["c/templates/NOTES.txt"], err
}

func main() {
	paths := os.Args[1:]
	if len(paths) == 3 && paths[0] == "-inventory" {
		all := inventory()
		write(paths[1], all)
		write(paths[2], methodCases(all))
		paths = paths[2:]
	}
	if len(paths) == 2 && paths[0] == "-answer" {
		values, err := os.ReadFile(paths[1])
		if err != nil {
			panic(err)
		}
		answerAll(values)
		return
	}
	for _, path := range paths {
		old, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		values, err := os.ReadFile(filepath.Join(filepath.Dir(path), "values.yaml"))
		if err != nil {
			panic(err)
		}
		var cases []string
		for _, c := range strings.Split(strings.TrimSuffix(string(old), "\n"), "\n===\n") {
			text, _, _ := strings.Cut(c, "\n--- ")
			out, err := run(text, values)
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
