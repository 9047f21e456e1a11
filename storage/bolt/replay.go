package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// misfit is an ErrLog that says what is wrong and what to do about it.
func misfit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLog, fmt.Sprintf(format, args...))
}

// readLog returns what the log of the database at path holds, and t, its file, may lack. It
// changes nothing.
//
// Of the two generations that may be there, the second began when all of the first was on
// disk. So a frame that fails its checksum is one that a crash has cut off only if it is the
// last of all; anywhere else, acknowledged writes have been damaged.
func readLog(path string, t *txn) (*layer, error) {
	state, err := t.logState()
	if err != nil {
		return nil, err
	}
	path = realPath(path)
	found := &layer{generation: state.Merged}
	var end int64
	for i := range uint64(2) {
		name := logName(path, state.Merged+1+i)
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && !state.Logged {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, misfit("%s is missing, and the last writes with it: put it back, or restore a backup", name)
		}
		if err != nil {
			return nil, err
		}
		if ours, err := owned(name, data, state, state.Merged+1+i); err != nil {
			return nil, err
		} else if !ours {
			continue
		}
		r := &logReader{name: name, id: state.ID, data: data, generation: state.Merged + 1 + i}
		if err := r.read(); err != nil {
			return nil, err
		}
		if r.frames == 0 {
			continue
		}
		if !state.Logged {
			return nil, later(name)
		}
		if i == 1 && r.before != end {
			return nil, damaged("%s was cut off", logName(path, state.Merged+1))
		}
		found.generation, end = r.generation, r.end
		found.add(r.changes, 1)
	}
	return found, nil
}

// realPath is where a file is, under whatever name it was asked for, and wherever the process
// goes later: its log lies beside it.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}

func later(name string) error {
	return misfit("%s goes on where a later state of the file ends: put that back, or, if this one is from a backup, remove %s", name, name)
}

// owned reports whether this file is a log that state's database has written. What a crash
// can have left of the making of one is not, and is in nobody's way.
func owned(name string, data []byte, state logState, generation uint64) (bool, error) {
	head := logHead(state.ID, generation)
	if len(data) >= logStart && bytes.HasPrefix(data, head) {
		return true, nil
	}
	if !state.Logged && state.Former != (logID{}) && bytes.HasPrefix(data, logHead(state.Former, generation)) {
		return false, nil
	}
	if !state.Logged && (len(bytes.Trim(data, "\x00")) == 0 || unfinished(data, head)) {
		return false, nil
	}
	sum := len(head) - crc32.Size
	switch {
	case len(data) >= logStart && bytes.HasPrefix(data, []byte(logMagic)) &&
		crc32.Checksum(data[:sum], castagnoli) == binary.BigEndian.Uint32(data[sum:]):
		if other := logHead(state.ID, generation+1); bytes.HasPrefix(data, other) {
			return false, misfit("%s and the other file of the log have been swapped: swap them back", name)
		}
		return false, misfit("%s is another database's: move it to where that is, or remove it if that is gone", name)
	case state.Logged:
		return false, damaged("the head of %s fails its checksum", name)
	}
	return false, misfit("%s is where the log has to be, and is something else: move it away", name)
}

// unfinished tells that data is how the first block begins.
func unfinished(data, head []byte) bool {
	block := make([]byte, logStart)
	copy(block, head)
	return bytes.HasPrefix(block, data)
}

// logReader reads one file of a log.
type logReader struct {
	name       string
	id         logID
	data       []byte
	generation uint64 // that may be in it; an earlier one is in bbolt's file already

	changes []change
	frames  int
	before  int64 // where the generation before this one ended
	end     int64
}

func (r *logReader) read() error {
	r.end = logStart
	for {
		frame := r.frame(r.end)
		if frame == nil || generationOf(frame) != r.generation {
			break
		}
		if r.frames == 0 {
			r.before = int64(binary.BigEndian.Uint64(frame[16:]))
		}
		if err := r.decode(frame[frameHead:][:binary.BigEndian.Uint32(frame[24:])]); err != nil {
			return err
		}
		r.frames++
		r.end += int64(len(frame))
	}
	for at := r.end; at <= int64(len(r.data))-frameHead; at += frameAlign {
		switch frame := r.frame(at); {
		case frame == nil || generationOf(frame) < r.generation:
		case generationOf(frame) > r.generation:
			return later(r.name)
		default:
			return damaged("a frame of %s fails its checksum", r.name)
		}
	}
	return nil
}

func generationOf(frame []byte) uint64 { return binary.BigEndian.Uint64(frame[8:]) }

// frame returns the frame at this place, nil if there is none that is sound.
func (r *logReader) frame(at int64) []byte {
	rest := r.data[at:]
	if len(rest) < frameHead || binary.BigEndian.Uint32(rest) != frameMagic {
		return nil
	}
	size := frameHead + uint64(binary.BigEndian.Uint32(rest[24:]))
	if size = (size + frameAlign - 1) / frameAlign * frameAlign; size > uint64(len(rest)) {
		return nil
	}
	frame := rest[:size:size]
	if frameSum(r.id, at, frame) != binary.BigEndian.Uint32(frame[4:]) {
		return nil
	}
	return frame
}

// decode reads the changes of one frame.
func (r *logReader) decode(data []byte) error {
	part := func() []byte {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			data = nil
			return nil
		}
		p := data[size:][:n:n]
		data = data[size:][n:]
		return p
	}
	for len(data) > 0 {
		b, put := bucket(data[0]&^putBit), data[0]&putBit != 0
		data = data[1:]
		key := part()
		var value []byte
		if put {
			value = part()
		}
		if b >= bucketCount || len(key) == 0 || put && value == nil {
			return damaged("a change in %s makes no sense", r.name)
		}
		r.changes = append(r.changes, change{b, string(key), value})
	}
	return nil
}

// noLog makes sure that no log waits for the file that is to be made at path.
func noLog(path string) error {
	path = realPath(path)
	for i := range uint64(2) {
		if _, err := os.Stat(logName(path, i)); err == nil {
			return misfit("%s is there without the file itself: put that back, or remove %[1]s to begin with an empty one", logName(path, i))
		}
	}
	return nil
}

// recover brings what a crash has left in the log, and what is missing in a file of an
// earlier schema, into bbolt's file, in one transaction: it happens whole, or the next Open
// does it.
func (db *DB) recover() error {
	var before uint64
	var state logState
	var found *layer
	err := db.read(func(t *txn) error {
		h, err := t.header()
		if err != nil {
			return err
		}
		before = h.Schema
		if state, err = t.logState(); err != nil {
			return err
		}
		found, err = readLog(db.path, t)
		return err
	})
	if err != nil {
		return err
	}
	db.log = redoLog{path: realPath(db.path), id: state.ID, former: state.Former, generation: found.generation + 1, end: logStart}
	db.recent.Store(&recent{layers: []*layer{{generation: db.log.generation}}})
	merged := false
	err = db.makeLog(found.generation, func(t *txn) error {
		merged = true
		if before < schema {
			if err := t.upgrade(); err != nil {
				return fmt.Errorf("upgrade from schema %d to %d, which is tried again at the next start: %w", before, schema, err)
			}
		}
		return found.into(t)
	})
	if lacksRoom(err) && before == schema && !state.Logged {
		return nil // it may have room when the first write comes
	}
	if err != nil && merged && state.Logged {
		return fmt.Errorf("merging the log, which is tried again at the next start: %w", err)
	}
	return err
}
