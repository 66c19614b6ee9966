package main

import (
	"bufio"
	"encoding/json"
	"os"

	"helm.sh/helm/v4/pkg/strvals"
)

// question is one line of standard input.
type question struct {
	// Template is rendered as NOTES.txt with the values of testdata/values.yaml.
	Template string `json:"template,omitempty"`
	// Set is a line of --set that is laid over the value {"a":{"b":[1,{"c":2}]},"s":"x"}.
	Set string `json:"set,omitempty"`
}

type answer struct {
	Error bool   `json:"error"`
	Text  string `json:"text"`
}

// answerAll answers each line of standard input with a line of standard output.
func answerAll(values []byte) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		text, err := q.answer(values)
		a := answer{Text: text}
		if err != nil {
			a = answer{Error: true, Text: err.Error()}
		}
		if err := encoder.Encode(a); err != nil {
			panic(err)
		}
	}
}

func (q question) answer(values []byte) (string, error) {
	if q.Set == "" {
		return run(q.Template, values)
	}
	base := map[string]any{"a": map[string]any{"b": []any{float64(1), map[string]any{"c": float64(2)}}}, "s": "x"}
	if err := strvals.ParseInto(q.Set, base); err != nil {
		return "", err
	}
	text, err := json.Marshal(base)
	return string(text), err
}
