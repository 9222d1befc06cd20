// Checks an exported log with golang.org/x/mod/sumdb alone: signature, every tile, every entry.
// Usage: goverify DIR VKEYFILE [INDEX]; prints "ok SIZE ROOT" or says on standard error what does not fit.
// With INDEX that one entry alone is proved to stand in the signed tree, and printed; DIR may be an excerpt.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// dir serves tiles from files: Go's tile/8/L/N is the standard's tile/L/N.
type dir string

func (d dir) Height() int                                { return tileHeight }
func (d dir) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (d dir) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		name := "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
		data, err := os.ReadFile(filepath.Join(string(d), name))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bundle reads the entries n*256 .. n*256+width-1.
func bundle(root string, n int64, width int) ([][]byte, error) {
	t := tlog.Tile{H: tileHeight, L: -1, N: n, W: width}
	name := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/data/", tileHeight), "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(root, name))
	var entries [][]byte
	for err == nil && len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: truncated", name)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:end]), data[end:]
	}
	if err == nil && len(entries) != width {
		err = fmt.Errorf("%s: %d entries instead of %d", name, len(entries), width)
	}
	return entries, err
}

// prove checks that entry n stands in the tree, and prints it.
func prove(root string, tree tlog.Tree, reader tlog.HashReader, n int64) {
	if n < 0 || n >= tree.N {
		fail(fmt.Errorf("entry %d lies outside the tree of %d", n, tree.N))
	}
	width := int64(256)
	if tree.N/256 == n/256 {
		width = tree.N % 256
	}
	entries, err := bundle(root, n/256, int(width))
	fail(err)
	proof, err := tlog.ProveRecord(tree.N, n, reader)
	fail(err)
	fail(tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(entries[n%256])))
	fmt.Println("ok", tree.N, tree.Hash)
	fmt.Printf("%s\n", entries[n%256])
}

func main() {
	root := os.Args[1]
	key, err := os.ReadFile(os.Args[2])
	fail(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	fail(err)
	raw, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	fail(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	fail(err)
	lines := strings.Split(opened.Text, "\n")
	var size int64
	_, err = fmt.Sscan(lines[1], &size)
	fail(err)
	hash, err := tlog.ParseHash(lines[2])
	fail(err)
	tree := tlog.Tree{N: size, Hash: hash}
	reader := tlog.TileHashReader(tree, dir(root))
	if len(os.Args) > 3 {
		index, err := strconv.ParseInt(os.Args[3], 10, 64)
		fail(err)
		prove(root, tree, reader, index)
		return
	}
	for n := int64(0); n*256 < size; n++ {
		width := 256
		if size-n*256 < 256 {
			width = int(size - n*256)
		}
		entries, err := bundle(root, n, width)
		fail(err)
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, n*256+int64(i)))
		}
		hashes, err := reader.ReadHashes(indexes)
		fail(err)
		for i, entry := range entries {
			if tlog.RecordHash(entry) != hashes[i] {
				fail(fmt.Errorf("entry %d does not fit its hash", n*256+int64(i)))
			}
		}
	}
	fmt.Println("ok", size, hash)
}
