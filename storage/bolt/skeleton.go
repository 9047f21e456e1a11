package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The layout of a bbolt file, as far as it is needed to walk its inner pages: a page
// begins with its number (8 bytes), flags (2), count (2) and overflow (4), in the
// byte order of the machine. Pages 0 and 1 hold a meta record each.
const (
	pageHeader = 16
	elemSize   = 16
	metaSize   = 64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	metaMagic   = 0xED0CDAED
	noFreelist  = ^uint64(0)
	bucketElem  = 0x01
	maxPageSize = 1 << 24

	// fullWalk is the most pages of a file whose leaves are walked too: 256 MiB with
	// the usual 4 KiB a page, read in a fraction of a second.
	fullWalk = 1 << 16
)

var order = binary.NativeEndian

// skeleton is what holds a bbolt file together: its meta pages, its list of free
// pages, the pages of its trees. Records have their checksums and are looked at when
// they are read; but no checksum fails for a record that cannot be found, and that is
// what damage to the skeleton does. In a large file only the branch pages are walked,
// about one page in seventy.
type skeleton struct {
	f        io.ReaderAt
	pageSize uint64
	pages    uint64 // all pages there are
	whole    bool   // walk the leaves of a large file as well
	root     uint64
	freelist uint64
	used     []uint64 // one bit a page: in the tree already, or free
}

// damaged is an ErrCorrupt that says where.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// checkSkeleton makes sure that every page of the tree is in the file, in its place
// and used once. bbolt takes all this for granted: it would read beyond the end,
// overwrite what it believes to be free, or go round in a circle.
func checkSkeleton(f *os.File, whole bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s := &skeleton{f: f, whole: whole}
	if err := s.readMeta(); err != nil {
		return err
	}
	if s.pages < 4 || s.pages > uint64(info.Size())/s.pageSize {
		return damaged("it has %d bytes where %d pages of %d are needed: it was cut off", info.Size(), s.pages, s.pageSize)
	}
	s.used = make([]uint64, s.pages/64+1)
	if err := s.readFreelist(); err != nil {
		return err
	}
	return s.walk(s.root, nil, nil, true)
}

// readMeta reads both meta pages. bbolt can do with one, the older if need be; that
// would silently take back the last write, which may have been a revocation.
func (s *skeleton) readMeta() error {
	var newest uint64
	s.pageSize = uint64(os.Getpagesize())
	for i := range uint64(2) {
		var buf [pageHeader + metaSize]byte
		if _, err := s.f.ReadAt(buf[:], int64(i*s.pageSize)); err != nil {
			return damaged("meta page %d cannot be read: %v", i, err)
		}
		m := buf[pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:metaSize-8])
		if order.Uint32(m) != metaMagic || order.Uint64(m[56:]) != sum.Sum64() {
			return damaged("meta page %d fails its checksum", i)
		}
		if order.Uint64(buf[:]) != i || order.Uint16(buf[8:]) != metaPage {
			return damaged("meta page %d is marked as something else", i)
		}
		size, txid := uint64(order.Uint32(m[8:])), order.Uint64(m[48:])
		if size < 1024 || size > maxPageSize || size&(size-1) != 0 || i == 1 && size != s.pageSize {
			return damaged("meta page %d gives a page size of %d", i, size)
		}
		s.pageSize = size
		if i == 0 || txid > newest {
			newest = txid
			s.root, s.freelist, s.pages = order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:])
		}
	}
	return nil
}

// page reads page id with its overflow, which must be of the given kind.
func (s *skeleton) page(id uint64, kind uint16) ([]byte, error) {
	head, err := s.head(id)
	if err != nil {
		return nil, err
	}
	if flags := order.Uint16(head[8:]); flags != kind {
		return nil, damaged("page %d is of kind %#x, expected %#x", id, flags, kind)
	}
	size := 1 + uint64(order.Uint32(head[12:]))
	if size > s.pages-id {
		return nil, damaged("page %d goes beyond the end", id)
	}
	buf := make([]byte, size*s.pageSize)
	_, err = s.f.ReadAt(buf, int64(id*s.pageSize))
	return buf, err
}

func (s *skeleton) head(id uint64) ([]byte, error) {
	if id < 2 || id >= s.pages {
		return nil, damaged("there is no page %d", id)
	}
	head := make([]byte, pageHeader)
	if _, err := s.f.ReadAt(head, int64(id*s.pageSize)); err != nil {
		return nil, err
	}
	if order.Uint64(head) != id {
		return nil, damaged("page %d says that it is page %d", id, order.Uint64(head))
	}
	return head, nil
}

// take notes that page id has its use; it must not have another.
func (s *skeleton) take(id uint64) error {
	if id < 2 || id >= s.pages {
		return damaged("there is no page %d", id)
	}
	if s.used[id/64]&(1<<(id%64)) != 0 {
		return damaged("page %d is used twice", id)
	}
	s.used[id/64] |= 1 << (id % 64)
	return nil
}

func (s *skeleton) readFreelist() error {
	if s.freelist == noFreelist {
		return ErrForeign // made with an option that this package does not use
	}
	if err := s.take(s.freelist); err != nil {
		return err
	}
	buf, err := s.page(s.freelist, freelistPage)
	if err != nil {
		return err
	}
	count, ids := uint64(order.Uint16(buf[10:])), buf[pageHeader:]
	if count == 0xFFFF {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return damaged("the list of free pages has %d entries in %d bytes", count, len(ids))
	}
	for i := range count {
		if err := s.take(order.Uint64(ids[8*i:])); err != nil {
			return err
		}
	}
	return nil
}

// walk visits the tree whose root is page id, whose first key is low, and whose keys
// are all less than high, where nil is any key and no bound; buckets tells that its leaves hold buckets,
// and must be walked however large the file is.
func (s *skeleton) walk(id uint64, low, high []byte, buckets bool) error {
	if err := s.take(id); err != nil {
		return err
	}
	head, err := s.head(id)
	if err != nil {
		return err
	}
	if order.Uint16(head[8:]) != branchPage {
		return s.leaf(id, low, high)
	}
	buf, err := s.page(id, branchPage)
	if err != nil {
		return err
	}
	count := int(order.Uint16(buf[10:]))
	keys, err := s.keys(id, buf, func(elem []byte) (pos, ksize, vsize uint32) {
		return order.Uint32(elem), order.Uint32(elem[4:]), 0
	})
	if err != nil {
		return err
	}
	if count == 0 || low != nil && !bytes.Equal(keys[0], low) {
		return damaged("branch page %d does not begin as the page above says", id)
	}
	inner := false
	for i := range count {
		child := order.Uint64(buf[pageHeader+i*elemSize+8:])
		if i == 0 {
			// All leaves of a bbolt tree are equally deep.
			head, err := s.head(child)
			if err != nil {
				return err
			}
			inner = order.Uint16(head[8:]) == branchPage
		}
		if !inner && !buckets && !s.whole && s.pages > fullWalk {
			if err := s.take(child); err != nil {
				return err
			}
			continue
		}
		to := high
		if i < count-1 {
			to = keys[i+1]
		}
		if err := s.walk(child, keys[i], to, buckets); err != nil {
			return err
		}
	}
	return nil
}

func (s *skeleton) leaf(id uint64, low, high []byte) error {
	buf, err := s.page(id, leafPage)
	if err != nil {
		return err
	}
	keys, err := s.keys(id, buf, func(elem []byte) (pos, ksize, vsize uint32) {
		return order.Uint32(elem[4:]), order.Uint32(elem[8:]), order.Uint32(elem[12:])
	})
	if err != nil {
		return err
	}
	isRoot := low == nil && high == nil
	switch n := len(keys); {
	case n == 0 && (!isRoot || !bytes.Equal(buf[pageHeader:pageHeader+elemSize], make([]byte, elemSize))):
		return damaged("leaf page %d is empty", id)
	case n > 0 && low != nil && !bytes.Equal(keys[0], low), n > 0 && high != nil && bytes.Compare(keys[n-1], high) >= 0:
		return damaged("leaf page %d is not where its keys belong", id)
	}
	for i := range keys {
		at := pageHeader + i*elemSize
		switch order.Uint32(buf[at:]) {
		case 0:
			continue
		case bucketElem:
		default:
			return damaged("entry %d of leaf page %d is of no known kind", i, id)
		}
		start := uint64(at) + uint64(order.Uint32(buf[at+4:])) + uint64(order.Uint32(buf[at+8:]))
		value := buf[start:][:order.Uint32(buf[at+12:])]
		if len(value) < 16 {
			return damaged("bucket %d of leaf page %d is cut off", i, id)
		}
		root := order.Uint64(value)
		if root != 0 {
			err = s.walk(root, nil, nil, false)
		} else {
			err = s.inline(id, value[16:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inline checks a bucket so small that its one page is kept in place of its root.
func (s *skeleton) inline(id uint64, buf []byte) error {
	if len(buf) < pageHeader || order.Uint16(buf[8:]) != leafPage {
		return damaged("a bucket inside leaf page %d is not a leaf", id)
	}
	_, err := s.keys(id, buf, func(elem []byte) (pos, ksize, vsize uint32) {
		return order.Uint32(elem[4:]), order.Uint32(elem[8:]), order.Uint32(elem[12:])
	})
	return err
}

// keys returns the keys of page id. bbolt writes them in ascending order, each
// followed by its value, without a gap from the last entry's head on: so a count or
// a size that has changed gives itself away.
func (s *skeleton) keys(id uint64, buf []byte, entry func(elem []byte) (pos, ksize, vsize uint32)) ([][]byte, error) {
	count := uint64(order.Uint16(buf[10:]))
	next := pageHeader + count*elemSize
	if next > uint64(len(buf)) {
		return nil, damaged("page %d has %d entries", id, count)
	}
	keys := make([][]byte, count)
	for i := range count {
		at := pageHeader + i*elemSize
		pos, ksize, vsize := entry(buf[at:])
		end := next + uint64(ksize) + uint64(vsize)
		if at+uint64(pos) != next || end > uint64(len(buf)) {
			return nil, damaged("entry %d of page %d is not where it belongs", i, id)
		}
		keys[i] = buf[next:][:ksize]
		if i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 {
			return nil, damaged("entry %d of page %d is out of order", i, id)
		}
		next = end
	}
	return keys, nil
}
