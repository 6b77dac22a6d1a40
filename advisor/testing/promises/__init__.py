"""The promises of the conformance kit, a file for each kind of technique."""
