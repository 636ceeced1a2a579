"""Who somebody is: sign-up, sign-in, sessions, recovery, and what a person may do with their own account.

Handles, passphrases, refresh tokens and recovery codes come in; access tokens go out, each good at one region. Writes
the account tables of the region's catalog, where each thing that may be used once is used by a conditional write.

Read `passphrases`, `refresh_tokens` and `recovery_codes`, which hold the rules; `sign_ins`, which keeps sessions;
`revocation`, by which every region learns what has ended; then the resources.
"""
