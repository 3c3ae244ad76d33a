package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is an object of an OpenAPI file, whose references are relative to the file.
type node struct {
	fields map[string]any
	file   string
}

func load(name string) (node, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return node{}, err
	}
	n := node{file: name}
	return n, yaml.Unmarshal(b, &n.fields)
}

// at follows keys and the references on the way; a node without fields stands for what is not there.
func (n node) at(keys ...string) (node, error) {
	for _, key := range keys {
		fields, _ := n.fields[key].(map[string]any)
		n = node{fields, n.file}
		for ref, ok := n.fields["$ref"].(string); ok; ref, ok = n.fields["$ref"].(string) {
			var err error
			if n, err = n.follow(ref); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// follow resolves a reference: a file, a place in a file, or a place in this one.
func (n node) follow(ref string) (node, error) {
	name, place, _ := strings.Cut(ref, "#")
	file := n.file
	if name != "" {
		file = filepath.Join(filepath.Dir(n.file), name)
	}
	root, err := load(file)
	if err != nil || place == "" {
		return root, err
	}
	return root.at(strings.Split(strings.TrimPrefix(place, "/"), "/")...)
}

func (n node) text(key string) string {
	s, _ := n.fields[key].(string)
	return s
}

// each calls f with the members of the list at key, references resolved.
func (n node) each(key string, f func(node) error) error {
	items, _ := n.fields[key].([]any)
	for _, item := range items {
		member, err := node{map[string]any{"item": item}, n.file}.at("item")
		if err != nil {
			return err
		}
		if err := f(member); err != nil {
			return err
		}
	}
	return nil
}

var methods = []string{"get", "put", "post", "delete", "head", "options", "patch"}

func readFile(name string) ([]operation, error) {
	file, err := load(name)
	if err != nil {
		return nil, err
	}
	base := ""
	err = file.each("servers", func(server node) error {
		variable, err := server.at("variables", "basePath")
		base = variable.text("default")
		return err
	})
	if err != nil {
		return nil, err
	}
	paths, err := file.at("paths")
	if err != nil {
		return nil, err
	}
	var found []operation
	for path := range paths.fields {
		item, err := paths.at(path)
		if err != nil {
			return nil, err
		}
		for _, method := range methods {
			if item.fields[method] == nil {
				continue
			}
			op, err := readOperation(item, method)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			// Two operations of one path are told apart by a space at the end in one file.
			op.path = base + strings.TrimSpace(path)
			found = append(found, op)
		}
	}
	return found, nil
}

func readOperation(item node, method string) (o operation, err error) {
	n, err := item.at(method)
	if err != nil {
		return o, err
	}
	o.method = strings.ToUpper(method)
	o.caller = caller(n)
	o.deprecated, _ = n.fields["deprecated"].(bool)
	parameter := func(p node) error {
		if required, _ := p.fields["required"].(bool); required && p.text("in") == "query" {
			schema, err := p.at("schema")
			o.query = append(o.query, p.text("name")+":"+schema.text("type"))
			return err
		}
		return nil
	}
	for _, from := range []node{item, n} {
		if err := from.each("parameters", parameter); err != nil {
			return o, err
		}
	}
	if o.body, err = body(n); err != nil {
		return o, err
	}
	responses, err := n.at("responses")
	if err != nil {
		return o, err
	}
	o.statuses = slices.Sorted(maps.Keys(responses.fields))
	o.answer, err = answer(responses, o.statuses[0])
	return o, err
}

// callers: nobody needs a token, optional, user, appservice; signed is a token or another server's signature.
func caller(n node) string {
	items, _ := n.fields["security"].([]any)
	who := "nobody"
	for _, item := range items {
		schemes, _ := item.(map[string]any)
		switch {
		case len(schemes) == 0:
			return "optional"
		case schemes["appserviceAccessTokenBearer"] != nil:
			who = "appservice"
		case schemes["signedRequest"] != nil:
			who = "signed"
		default:
			who = "user"
		}
	}
	return who
}

// body lists the required top-level fields of a JSON body with their types.
func body(n node) ([]string, error) {
	media, err := n.at("requestBody", "content", "application/json")
	if err != nil || media.fields == nil {
		return nil, err
	}
	schema, err := media.at("schema")
	if err != nil {
		return nil, err
	}
	required, err := fields(schema, "", 1)
	if len(required) == 0 {
		required = []string{"{}"}
	}
	return required, err
}

func answer(responses node, status string) ([]string, error) {
	media, err := responses.at(status, "content", "application/json")
	if err != nil || media.fields == nil {
		return nil, err
	}
	schema, err := media.at("schema")
	if err != nil {
		return nil, err
	}
	required, err := fields(schema, "", 6)
	if len(required) == 0 {
		required = []string{"{}"}
	}
	return required, err
}

// fields lists the required fields of a schema as path:type, to a depth. A list's members are written [],
// an object's values whatever their keys *.
func fields(schema node, prefix string, depth int) ([]string, error) {
	var found []string
	if depth == 0 || schema.fields == nil {
		return nil, nil
	}
	if err := schema.each("allOf", func(part node) error {
		more, err := fields(part, prefix, depth)
		found = append(found, more...)
		return err
	}); err != nil {
		return nil, err
	}
	required, _ := schema.fields["required"].([]any)
	properties, err := schema.at("properties")
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(properties.fields)) {
		property, err := properties.at(key)
		if err != nil {
			return nil, err
		}
		name := prefix + strings.ReplaceAll(key, ".", `\.`)
		if slices.Contains(required, any(key)) {
			found = append(found, name+":"+kind(property))
		}
		more, err := fields(property, name+".", depth-1)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	for key, mark := range map[string]string{"items": "[].", "additionalProperties": "*."} {
		inner, err := schema.at(key)
		if err != nil {
			return nil, err
		}
		more, err := fields(inner, prefix+mark, depth-1)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// kind is the JSON type of a schema; any when it leaves a choice.
func kind(n node) string {
	if t := n.text("type"); t != "" {
		return t
	}
	if n.fields["allOf"] != nil || n.fields["properties"] != nil {
		return "object"
	}
	return "any"
}
