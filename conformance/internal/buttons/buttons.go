// Package buttons has the words by which people know what a button does, as regular expressions
// that Go and JavaScript both read, without regard to case.
package buttons

// No and Yes are the two things that buttons say.
const (
	No  = `\b(deny|denied|refuse|reject|cancel|abort|decline|no|false|logout|sign ?out|not now)\b`
	Yes = `\b(allow|approve|accept|authori[sz]e|consent|confirm|continue|grant|yes|true|ok|log ?in|sign ?in|submit|next)\b`
)
