#![doc = "What a cryptographic suite must offer, and the RustCrypto backend that offers it."]
