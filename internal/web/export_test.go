package web

// RefreshUntilReady is what ListenAndServe does beside serving.
var RefreshUntilReady = (*Server).refreshUntilReady
