package web

// RefreshUntilReady is what ListenAndServe runs in the background.
var RefreshUntilReady = (*Server).refreshUntilReady
