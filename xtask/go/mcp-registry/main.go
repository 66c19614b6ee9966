// The official registry's own request handling and validators, without its database, and a catalogue of servers that others
// published: what our client is tested against, and what judges the documents that our server answers with. The module's path lies below that of the registry, since Go lets nothing
// else use its internal packages.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	handlers "github.com/modelcontextprotocol/registry/internal/api/handlers/v0"
	"github.com/modelcontextprotocol/registry/internal/database"
	"github.com/modelcontextprotocol/registry/internal/service"
	"github.com/modelcontextprotocol/registry/internal/validators"
	apiv0 "github.com/modelcontextprotocol/registry/pkg/api/v0"
	"github.com/modelcontextprotocol/registry/pkg/model"
	"github.com/stacklok/toolhive-catalog/pkg/catalog/official"
	"github.com/stacklok/toolhive-catalog/pkg/catalog/toolhive"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: mcp-registry serve|check|data < LINES")
	}
	switch os.Args[1] {
	case "serve":
		serve()
	case "check":
		check()
	case "data":
		data(official.Upstream())
		data(toolhive.Upstream())
	default:
		log.Fatal("usage: mcp-registry serve|check|data < LINES")
	}
}

// lines calls with each line of standard input.
func lines(each func([]byte)) {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		each(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		log.Fatal(err)
	}
}

// data prints the documents of a published catalogue, one a line.
func data(catalogue []byte) {
	var published struct {
		Data struct {
			Servers []json.RawMessage `json:"servers"`
		} `json:"data"`
	}
	if err := json.Unmarshal(catalogue, &published); err != nil {
		log.Fatal(err)
	}
	for _, server := range published.Data.Servers {
		line := &bytes.Buffer{}
		if err := json.Compact(line, server); err != nil {
			log.Fatal(err)
		}
		fmt.Println(line)
	}
}

// check prints what the registry's validators find in each server.json, one line for each.
func check() {
	lines(func(line []byte) {
		var document apiv0.ServerJSON
		if err := json.Unmarshal(line, &document); err != nil {
			fmt.Println("it cannot be read:", err)
			return
		}
		result := validators.ValidateServerJSON(&document, validators.ValidationAll)
		found := []string{}
		for _, issue := range result.Issues {
			found = append(found, fmt.Sprintf("%s: %s", issue.Path, issue.Message))
		}
		fmt.Println(strings.Join(found, "; "))
	})
}

// serve answers at a free port of the loopback, which it prints, with what standard input says: a record a line.
func serve() {
	kept := &memory{}
	lines(func(line []byte) {
		record := &apiv0.ServerResponse{}
		if err := json.Unmarshal(line, record); err != nil {
			log.Fatal(err)
		}
		kept.records = append(kept.records, record)
	})
	sort.Slice(kept.records, func(a, b int) bool { return key(kept.records[a]) < key(kept.records[b]) })
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("registry", "1"))
	handlers.RegisterServersEndpoints(api, "/v0.1", kept)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	log.Fatal(server.Serve(listener))
}

// memory stands for the registry's database.
type memory struct {
	service.RegistryService
	records []*apiv0.ServerResponse
}

func key(record *apiv0.ServerResponse) string {
	return record.Server.Name + "\x00" + record.Server.Version
}

func hidden(record *apiv0.ServerResponse, includeDeleted bool) bool {
	return !includeDeleted && record.Meta.Official.Status == model.StatusDeleted
}

// ListServers gives a page.
func (m *memory) ListServers(_ context.Context, filter *database.ServerFilter, cursor string, limit int) ([]*apiv0.ServerResponse, string, error) {
	page := []*apiv0.ServerResponse{}
	for _, record := range m.records {
		told := record.Meta.Official
		skip := key(record) <= cursor || hidden(record, filter.IncludeDeleted != nil && *filter.IncludeDeleted) ||
			filter.IsLatest != nil && *filter.IsLatest != told.IsLatest ||
			filter.Version != nil && *filter.Version != record.Server.Version ||
			filter.UpdatedSince != nil && told.UpdatedAt.Before(*filter.UpdatedSince) ||
			filter.SubstringName != nil && !strings.Contains(record.Server.Name, *filter.SubstringName)
		if skip {
			continue
		}
		if len(page) == limit {
			return page, key(page[limit-1]), nil
		}
		page = append(page, record)
	}
	return page, "", nil
}

// GetServerByName gives the latest version.
func (m *memory) GetServerByName(_ context.Context, name string, includeDeleted bool) (*apiv0.ServerResponse, error) {
	return m.find(func(record *apiv0.ServerResponse) bool {
		return record.Server.Name == name && record.Meta.Official.IsLatest && !hidden(record, includeDeleted)
	})
}

// GetServerByNameAndVersion gives one version.
func (m *memory) GetServerByNameAndVersion(_ context.Context, name, version string, includeDeleted bool) (*apiv0.ServerResponse, error) {
	return m.find(func(record *apiv0.ServerResponse) bool {
		return record.Server.Name == name && record.Server.Version == version && !hidden(record, includeDeleted)
	})
}

// GetAllVersionsByServerName gives all versions.
func (m *memory) GetAllVersionsByServerName(_ context.Context, name string, includeDeleted bool) ([]*apiv0.ServerResponse, error) {
	versions := []*apiv0.ServerResponse{}
	for _, record := range m.records {
		if record.Server.Name == name && !hidden(record, includeDeleted) {
			versions = append(versions, record)
		}
	}
	if len(versions) == 0 {
		return nil, database.ErrNotFound
	}
	return versions, nil
}

func (m *memory) find(is func(*apiv0.ServerResponse) bool) (*apiv0.ServerResponse, error) {
	for _, record := range m.records {
		if is(record) {
			return record, nil
		}
	}
	return nil, database.ErrNotFound
}
