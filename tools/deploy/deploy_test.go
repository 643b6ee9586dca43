// Package deploy_test checks the files in deploy/ with the types of the programs that read them. It is a separate module
// so that none of these becomes a dependency of the exporter.
package deploy_test
