package storagetest

import (
	"reflect"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// equal compares records. Times are compared as instants, to the microsecond, which
// is what every database keeps; a nil slice and an empty one are the same. A client's
// Revision, which each store makes for itself, is not compared.
func equal(a, b any) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }

var clientType = reflect.TypeFor[storage.Client]()

func same(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	if ta, ok := a.Interface().(time.Time); ok {
		tb := b.Interface().(time.Time)
		return ta.IsZero() == tb.IsZero() && ta.Truncate(time.Microsecond).Equal(tb.Truncate(time.Microsecond))
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type() == clientType && a.Type().Field(i).Name == "Revision" {
				continue
			}
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	default:
		return a.Equal(b)
	}
}
