package report_test

import (
	"fmt"
	"os"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/report"
)

// A report as conformance.Check returns it, for CI systems.
func ExampleJUnit() {
	r := &conformance.Report{Issuer: "https://auth.example.com", Results: []conformance.Result{
		{ID: "pkce-right-verifier", Spec: "RFC 7636", Section: "4.6", Level: conformance.Must, Status: conformance.Passed},
	}}
	if err := report.JUnit(os.Stdout, r); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <testsuites name="https://auth.example.com" tests="1" failures="0" skipped="0" time="0.000">
	//   <testsuite name="RFC 7636" tests="1" failures="0" errors="0" skipped="0" time="0.000" timestamp="0001-01-01T00:00:00" hostname="https://auth.example.com">
	//     <testcase classname="https://auth.example.com.RFC7636" name="pkce-right-verifier" time="0.000"></testcase>
	//   </testsuite>
	// </testsuites>
}
