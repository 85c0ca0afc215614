// Command dockerfile-lint checks Dockerfiles with BuildKit's own linter: the rules of `docker build --check`, without an engine.
//
//	dockerfile-lint FILE...
//
// A Dockerfile is read once for each platform that the image is built for. No registry is asked: a base image is taken as one of
// the wanted platform with a PATH, so that nothing is said about what it may hold. Exit code 1: something was found.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var platforms = []ocispecs.Platform{
	{OS: "linux", Architecture: "amd64"},
	{OS: "linux", Architecture: "arm64"},
}

// unknown answers for every base image.
type unknown struct{}

func (unknown) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	image := ocispecs.Image{Config: ocispecs.ImageConfig{Env: []string{"PATH=/usr/bin:/bin"}}}
	image.Platform = platforms[0]
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		image.Platform = *opt.ImageOpt.Platform
	}
	config, err := json.Marshal(image)
	return ref, digest.FromBytes(config), config, err
}

// check returns what is to be said about the Dockerfile on one platform: nothing, if it is sound.
func check(name string, dockerfile []byte, platform ocispecs.Platform) (string, error) {
	source := llb.NewSourceMap(nil, name, "Dockerfile", dockerfile)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), dockerfile, dockerfile2llb.ConvertOpt{
		// The builder is of the first platform, as in the release: the other one is compiled across.
		Config:         dockerui.Config{BuildPlatforms: platforms[:1], MultiPlatformRequested: true},
		TargetPlatform: &platform,
		MetaResolver:   unknown{},
		SourceMap:      source,
	})
	if err != nil {
		return "", err
	}
	var said bytes.Buffer
	if err := results.PrintTo(&said, nil); err != nil {
		return "", err
	}
	results.PrintErrorTo(&said, nil)
	return said.String(), nil
}

func run(names []string) (clean bool, err error) {
	clean = true
	for _, name := range names {
		dockerfile, err := os.ReadFile(name)
		if err != nil {
			return false, err
		}
		said := map[string]bool{}
		for _, platform := range platforms {
			text, err := check(name, dockerfile, platform)
			if err != nil {
				return false, fmt.Errorf("%s: %w", name, err)
			}
			if text != "" && !said[text] {
				fmt.Print(text)
				said[text], clean = true, false
			}
		}
	}
	return clean, nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: dockerfile-lint FILE...")
		os.Exit(2)
	}
	clean, err := run(os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "dockerfile-lint:", err)
		os.Exit(2)
	case !clean:
		os.Exit(1)
	}
}
