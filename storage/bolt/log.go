package bolt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// A commit to bbolt's file takes two trips to the disk and changes pages in many places. So
// what is committed goes into a log first, which takes one trip and one place; then it is
// acknowledged. From time to time all that the log holds is merged into bbolt's file, in one
// transaction.
//
// The log is two files, used in turns: generation n is in file n%2, so that one can be written
// while the other is being merged. A file begins with a block that says whose log it is. Then
// come frames, one for each group of writes:
//
//	0   "GLOG"
//	4   CRC-32C in big-endian, like all numbers here, over the log's ID, the place of the
//	    frame in the file, and all of the frame that follows
//	8   the generation
//	16  where the generation before ended, if it had not been merged when this one began
//	24  how many bytes of changes follow; after them, zeros up to a multiple of 512: a frame
//	    that is cut off, or a sector that goes bad, takes no other frame with it
//
// and each change is the bucket's number, with the top bit set if the record is put and not
// removed, the key's length as a uvarint, the key, and if it is put, the same of the value.
//
// What is left of an earlier generation behind the last frame fails the checksum, or has an
// earlier number. A frame that is cut off was never acknowledged.
const (
	logMagic   = "grantor log 1 "
	logStart   = 4096 // where the first frame is
	frameMagic = 0x474c4f47
	frameHead  = 28
	frameAlign = 512
	frameMost  = 1 << 30
	putBit     = 0x80

	// The files are made longer in steps, and zeros are written there first: to write into
	// a file's inside, a disk needs no other trip.
	logStep     = 64 << 10
	logStepMost = 1 << 20

	// logKeep is how long a file may stay when its generation has been merged.
	logKeep = 4 << 20
)

// logID is what belongs together: a database and its log.
type logID [16]byte

func newLogID() (id logID) {
	rand.Read(id[:]) // does not fail
	return id
}

// logState is kept in bbolt's file.
type logState struct {
	ID logID `cbor:"1,keyasint"`

	// Merged is the last generation of the log that this file holds too.
	Merged uint64 `cbor:"2,keyasint"`

	// Logged tells that the log may hold more than this file, which is then worth nothing
	// without it.
	Logged bool `cbor:"3,keyasint"`

	// Former is whose log may still lie there if the one with this ID has not been used yet.
	Former logID `cbor:"4,keyasint"`
}

func (t *txn) writeLogState(s logState) error { return t.store(headers, logKey, &s) }

// logState is zero in a file of a schema that had none.
func (t *txn) logState() (logState, error) {
	var s logState
	value, err := t.find(headers, logKey)
	if value == nil && err == nil {
		var h *header
		if h, err = t.header(); err == nil && h.Schema >= 3 {
			err = damaged("what it knows of its log is missing")
		}
	}
	if value == nil || err != nil {
		return s, err
	}
	return s, unseal(headers, logKey, value, &s)
}

// logName is the path of one of the two files.
func logName(path string, generation uint64) string {
	return path + [2]string{"-log0", "-log1"}[generation%2]
}

// logHead is what the first block of a generation's file begins with; the rest is zeros.
func logHead(id logID, generation uint64) []byte {
	head := append([]byte(logMagic), '0'+byte(generation%2), 0)
	head = append(head, id[:]...)
	return binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
}

// redoLog is the log that is being written.
type redoLog struct {
	path string // of the database
	id   logID
	// former is logState.Former.
	former logID
	files  [2]*os.File
	size   [2]int64 // of the files

	generation uint64
	end        int64 // where the next frame begins
	before     int64 // where the generation before ended, if it was not merged then

	frame []byte // the last one; its room is used again

	limit int64 // of a file's size, for tests; 0: none
}

// make makes both files, empty. Nothing may be in them that is still needed.
func (l *redoLog) make() (err error) {
	if l.files[0] != nil {
		return nil
	}
	defer func() {
		if err != nil {
			l.remove()
		}
	}()
	block := make([]byte, logStart, logStart+logStep)
	for i := range l.files {
		copy(block, logHead(l.id, uint64(i)))
		f, err := os.OpenFile(logName(l.path, uint64(i)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
		if err != nil {
			return err
		}
		l.files[i], l.size[i] = f, int64(cap(block))
		if _, err := f.WriteAt(block[:cap(block)], 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(l.path))
}

// remove removes both files. If that fails they lie around, and are not looked at.
func (l *redoLog) remove() {
	for i, f := range l.files {
		if f != nil {
			f.Close()
			_ = os.Remove(f.Name())
		}
		l.files[i] = nil
	}
}

// closeFiles leaves them for the next start.
func (l *redoLog) closeFiles() {
	for i, f := range l.files {
		if f != nil {
			f.Close()
		}
		l.files[i] = nil
	}
}

// append writes changes and returns when they are on disk.
func (l *redoLog) append(changes []change) error {
	size := 0
	for _, c := range changes {
		size += len(c.key) + len(c.value)
	}
	if size > frameMost {
		return fmt.Errorf("bolt: %d bytes in one group of writes; the most is %d", size, frameMost)
	}
	frame := l.encode(changes)
	if err := l.room(int64(len(frame))); err != nil {
		return err
	}
	f := l.files[l.generation%2]
	if _, err := f.WriteAt(frame, l.end); err != nil {
		return err
	}
	if err := datasync(f); err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	l.end += int64(len(frame))
	return nil
}

// room makes sure that n bytes more are in the file.
func (l *redoLog) room(n int64) error {
	f, size := l.files[l.generation%2], &l.size[l.generation%2]
	need := l.end + n
	if need <= *size {
		return nil
	}
	step := min(max(*size, logStep), logStepMost)
	if more := need - *size; more > step {
		step = (more + logStep - 1) / logStep * logStep
	}
	if l.limit > 0 && *size+step > l.limit {
		return errNoRoom
	}
	zeros := make([]byte, logStep)
	for ; step > 0; step -= logStep {
		if _, err := f.WriteAt(zeros, *size); err != nil {
			return err
		}
		*size += logStep
	}
	return nil
}

var errNoRoom = errors.New("bolt: the log has reached its limit")

// encode makes a frame of changes.
func (l *redoLog) encode(changes []change) []byte {
	b := append(l.frame[:0], make([]byte, frameHead)...)
	for _, c := range changes {
		if c.value == nil {
			b = append(b, byte(c.bucket))
		} else {
			b = append(b, byte(c.bucket)|putBit)
		}
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
		if c.value != nil {
			b = binary.AppendUvarint(b, uint64(len(c.value)))
			b = append(b, c.value...)
		}
	}
	binary.BigEndian.PutUint32(b, frameMagic)
	binary.BigEndian.PutUint64(b[8:], l.generation)
	binary.BigEndian.PutUint64(b[16:], uint64(l.before))
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)-frameHead))
	if rest := len(b) % frameAlign; rest != 0 {
		b = append(b, noBytes[rest:]...)
	}
	binary.BigEndian.PutUint32(b[4:], frameSum(l.id, l.end, b))
	if cap(b) <= logStepMost {
		l.frame = b
	}
	return b
}

var noBytes [frameAlign]byte

// frameSum is the checksum of the frame at this place.
func frameSum(id logID, at int64, frame []byte) uint32 {
	var place [24]byte
	copy(place[:], id[:])
	binary.BigEndian.PutUint64(place[16:], uint64(at))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, frame[8:])
}

// next begins another generation, in the other file. It must be free.
func (l *redoLog) next(merged bool) {
	l.before = l.end
	if merged {
		l.before = 0
	}
	l.generation++
	l.end = logStart
	i := l.generation % 2
	if f := l.files[i]; f != nil && l.size[i] > logKeep && f.Truncate(logStepMost) == nil {
		l.size[i] = logStepMost
	}
}
