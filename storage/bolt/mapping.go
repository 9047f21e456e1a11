package bolt

import (
	"errors"
	"math"
	"os"
	"runtime"
	"syscall"

	"go.etcd.io/bbolt"
)

const (
	// mapAhead is how much address space is reserved for a file to grow into. When a
	// file outgrows its map, bbolt makes a new one, and for that waits until nobody
	// reads, and lets nobody begin to: one slow [DB.Backup] would stop everything.
	mapAhead = 16 << 30

	// A file grows by its own size, between these.
	growLeast = 64 << 10
	growMost  = 16 << 20
)

// openMapped opens a file that check has seen, and says how much of it can come to be before
// bbolt needs another map; 0 means that nothing is known of that.
func openMapped(path string) (db *bbolt.DB, mapped int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	ahead := reserve(info.Size())
	db, err = openWith(path, ahead)
	if errors.Is(err, syscall.ENOMEM) {
		ahead = 0 // the process may not have that much, as under ulimit -v
		db, err = openWith(path, ahead)
	}
	return db, int64(ahead), err
}

func openWith(path string, mapSize int) (db *bbolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			Timeout:         lockWait,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapSize,
			// check has seen the file; should it vanish before this line, it must
			// not come back as an empty one.
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				return os.OpenFile(name, flag&^os.O_CREATE, mode)
			},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = growLeast
	return db, nil
}

// reserve is how much to map for a file of that size; 0 leaves it to bbolt. What is mapped
// and not there costs nothing but addresses, of which a 32-bit machine has too few.
// Windows would make the file that large.
func reserve(size int64) int {
	if runtime.GOOS == "windows" || math.MaxInt == math.MaxInt32 {
		return 0
	}
	return int(max(mapAhead, 2*size))
}

// growth is by how much a file of that size grows when it is full. bbolt goes by the size
// of the map, which says nothing here.
func growth(size int64) int { return int(min(max(size, growLeast), growMost)) }
