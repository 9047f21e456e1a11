package authz

// LookAgain lets the next request look for what others have left to be delivered, as if a minute
// had passed by the machine's clock.
func (s *Server) LookAgain() { s.deliveries.look.Store(0) }

// FrameOrigin is what a page's policy calls the origin of a frame.
var FrameOrigin = frameOrigin
