// Command sbom writes the bills of materials that belong beside a lifecycle binary, from what the Go linker recorded in it:
// NAME.sbom.cdx.json, NAME.sbom.spdx.json and NAME.sbom.syft.json for each BINARY named NAME. The same binary gives the
// same bytes.
//
// Usage: go run ./sbom BINARY…
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// Documents say when they were made; these carry the constant that image configs carry, too.
const created = "1980-01-01T00:00:01Z"

type object = map[string]any

type module struct{ path, version string }

func (m module) purl() string { return "pkg:golang/" + m.path + "@" + m.version }

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: sbom BINARY…")
	}
	for _, binary := range os.Args[1:] {
		if err := write(binary); err != nil {
			log.Fatalf("%s: %v", binary, err)
		}
	}
}

func write(binary string) error {
	modules, err := modulesOf(binary)
	if err != nil {
		return err
	}
	name := filepath.Base(binary)
	for extension, document := range map[string]object{
		"cdx":  cycloneDX(name, modules),
		"spdx": spdx(name, modules),
		"syft": syft(name, modules),
	} {
		content, err := json.MarshalIndent(document, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(binary+".sbom."+extension+".json", append(content, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func modulesOf(binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	modules := []module{{"stdlib", strings.TrimPrefix(info.GoVersion, "go")}}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		modules = append(modules, module{dependency.Path, dependency.Version})
	}
	return modules, nil
}

func cycloneDX(name string, modules []module) object {
	components := []object{}
	for _, m := range modules {
		components = append(components, object{
			"type": "library", "bom-ref": m.purl(), "name": m.path, "version": m.version, "purl": m.purl(),
		})
	}
	return object{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   object{"component": object{"type": "application", "name": name}},
		"components": components,
	}
}

func spdx(name string, modules []module) object {
	packages, relationships, all := []object{}, []object{}, sha256.New()
	for i, m := range modules {
		id := fmt.Sprintf("SPDXRef-Package-%d", i)
		packages = append(packages, object{
			"SPDXID": id, "name": m.path, "versionInfo": m.version,
			"downloadLocation": "NOASSERTION", "filesAnalyzed": false,
			"externalRefs": []object{{
				"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": m.purl(),
			}},
		})
		relationships = append(relationships, object{
			"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id,
		})
		fmt.Fprintln(all, m.purl())
	}
	return object{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
		"documentNamespace": fmt.Sprintf("https://locald.invalid/sbom/%s-%x", name, all.Sum(nil)),
		"creationInfo":      object{"created": created, "creators": []string{"Tool: locald"}},
		"packages":          packages,
		"relationships":     relationships,
	}
}

func syft(name string, modules []module) object {
	artifacts := []object{}
	for _, m := range modules {
		artifacts = append(artifacts, object{
			"id":   fmt.Sprintf("%x", sha256.Sum256([]byte(m.purl())))[:16],
			"name": m.path, "version": m.version, "type": "go-module", "language": "go", "purl": m.purl(),
			"foundBy": "locald", "locations": []object{{"path": "/" + name}},
			"licenses": []string{}, "cpes": []string{},
		})
	}
	return object{
		"artifacts": artifacts, "artifactRelationships": []object{},
		"source":     object{"type": "file", "target": name},
		"distro":     object{},
		"descriptor": object{"name": "locald", "version": "0"},
		"schema":     object{"version": "3.0.1"},
	}
}
