//! What an attacker has who has a push-only device, and what others make of what it does.
