//go:build !goexperiment.jsonv2

package main

// The Matrix libraries leave out half of themselves without this experiment. The go command stops at a
// missing package before it compiles anything, so the package that is missing here says what to do.
import _ "build-Myelin-with-the-environment-variable-GOEXPERIMENT-set-to-jsonv2/as-make-build-does"
