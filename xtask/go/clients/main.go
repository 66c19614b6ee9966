// The Go SDK's client at an address with many servers behind it: all that it can do there, printed as JSON.
//
//	clients URL FOLDER
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
	defer end()
	var seen map[string]any
	// The second time it comes back.
	for range 2 {
		var err error
		if seen, err = look(ctx, os.Args[1], os.Args[2]); err != nil {
			log.Fatal(err)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		log.Fatal(err)
	}
}

func texts(result *mcp.CallToolResult) []string {
	texts := []string{}
	for _, part := range result.Content {
		if text, ok := part.(*mcp.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	return texts
}

func look(ctx context.Context, url, folder string) (map[string]any, error) {
	var steps atomic.Int32
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Content: &mcp.TextContent{Text: "Paris"}, Model: "test", Role: "assistant"}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
			steps.Add(1)
		},
	})
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer session.Close()
	seen := map[string]any{}
	known := map[string]bool{}
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, fmt.Errorf("tools: %w", err)
		}
		known[tool.Name] = true
	}
	lacks := []string{}
	for _, name := range []string{"demo_echo", "everything_echo", "filesystem_list_directory", "eras_greet", "time_get_current_time"} {
		if !known[name] {
			lacks = append(lacks, name)
		}
	}
	seen["lacks"] = lacks
	call := func(name string, arguments map[string]any, meta mcp.Meta) *mcp.CallToolResult {
		if err != nil {
			return &mcp.CallToolResult{}
		}
		var result *mcp.CallToolResult
		params := &mcp.CallToolParams{Name: name, Arguments: arguments, Meta: meta}
		if result, err = session.CallTool(ctx, params); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			return &mcp.CallToolResult{}
		}
		return result
	}
	none := map[string]any{}
	seen["demo"] = texts(call("demo_echo", map[string]any{"message": "café ✓"}, nil))
	seen["everything"] = texts(call("everything_echo", map[string]any{"message": "hi"}, nil))
	seen["time"] = call("time_get_current_time", map[string]any{"timezone": "UTC"}, nil).IsError
	seen["filesystem"] = texts(call("filesystem_list_directory", map[string]any{"path": folder}, nil))
	refused := call("filesystem_list_directory", map[string]any{"path": "/"}, nil)
	seen["error"] = []bool{call("demo_fail", none, nil).IsError, refused.IsError}
	call("demo_slow", map[string]any{"seconds": 0.1}, mcp.Meta{"progressToken": "p"})
	seen["progress"] = steps.Load() > 0
	seen["greet"] = texts(call("eras_greet", none, nil))
	seen["sample"] = texts(call("eras_sample", none, nil))
	if err != nil {
		return nil, err
	}
	prompt, err := session.GetPrompt(ctx, &mcp.GetPromptParams{Name: "eras_hello", Arguments: map[string]string{"name": "Ada"}})
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	said := []string{}
	for _, message := range prompt.Messages {
		if text, ok := message.Content.(*mcp.TextContent); ok {
			said = append(said, text.Text)
		}
	}
	seen["prompt"] = said
	note := ""
	for resource, err := range session.Resources(ctx, nil) {
		if err != nil {
			return nil, fmt.Errorf("resources: %w", err)
		}
		if resource.Name == "note" {
			note = resource.URI
		}
	}
	read, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: note})
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	contents := []string{}
	for _, part := range read.Contents {
		contents = append(contents, part.Text)
	}
	seen["resource"] = contents
	waits, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := session.CallTool(waits, &mcp.CallToolParams{Name: "eras_wait", Arguments: none})
		ended <- err
	}()
	until := func(wanted string) {
		for err == nil {
			if got := texts(call("eras_waiting", none, nil)); len(got) == 1 && got[0] == wanted {
				return
			}
		}
	}
	until("1")
	cancel()
	<-ended
	until("0")
	seen["cancel"] = true
	return seen, err
}
