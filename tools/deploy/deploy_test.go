// Package deploy_test holds what is under deploy/ to what its readers accept, by their own types. It is a module of its
// own so that none of them becomes a dependency of the exporter.
package deploy_test
