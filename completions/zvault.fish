# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_zvault_global_optspecs
    string join \n r/url= home= config= cache-dir= p/passphrase-file= passphrase-command= passphrase-fd= recovery-words-file= ephemeral accept-rollback json q/quiet v/verbose no-progress progress-interval= o/option= ca-cert= limit-upload= limit-download= parallel-requests= retry-max-time= h/help V/version
end

function __fish_zvault_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_zvault_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_zvault_using_subcommand
    set -l cmd (__fish_zvault_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c zvault -n "__fish_zvault_needs_command" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_needs_command" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_needs_command" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_needs_command" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_needs_command" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_needs_command" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_needs_command" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_needs_command" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_needs_command" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_needs_command" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_needs_command" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_needs_command" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_needs_command" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_needs_command" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_needs_command" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_needs_command" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_needs_command" -s V -l version -d 'Print version'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "init" -d 'Create a vault, and make this machine its first device'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "push" -d 'Take a snapshot of files and folders, and store what the vault does not have'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "backup" -d 'Take a snapshot of files and folders, and store what the vault does not have'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "restore" -d 'Restore a snapshot, or a part of it, into a folder'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "snapshots" -d 'List the snapshots in the vault, oldest first'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "log" -d 'Show what devices did with the vault, verified: pushes, devices that came and went, losses that were accepted'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "ls" -d 'List the files in a snapshot'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "check" -d 'Check that the vault is whole: its structure and signatures, and if you like all of its data'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "devices" -d 'List the devices of the vault, rename them, let them do more, or end them'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "key" -d 'List the passphrases of the vault, add, change or remove one'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "recovery" -d 'Print the recovery sheet, make new words, or bring a vault back with them'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "doctor" -d 'Check that this machine and the storage are fit for a vault'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "pair" -d 'Take another device into the vault, or join one'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "mirror" -d 'Copy the vault from one store to another: what is missing, and nothing else'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "stores" -d 'List the stores of the vault, add or remove one, or change which is the primary'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "status" -d 'Tell how old the newest snapshots are, and how far behind each store is'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "vaults" -d 'List the vaults that this machine knows, or find those at a URL that its keys open'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "fips" -d 'What the FIPS program stands on'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "version" -d 'Print what this program is, and which formats and suites it knows; with -v, the algorithms'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "completions" -d 'Print a script that lets a shell complete zvault\'s commands and options'
complete -c zvault -n "__fish_zvault_needs_command" -f -a "man" -d 'Print the manual page, or write the pages of all commands into a folder'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l recovery-sheet -d 'Write a page for paper with the 24 words to FILE: it ends in .html or .svg, and must not exist' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l device-name -d 'Name of this device, for the people who share the vault [default: the name of this machine]' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l suite -d 'With which algorithms, for as long as there is the vault; a passphrase of fips has at least 14 bytes' -r -f -a "default\t'XChaCha20-Poly1305, BLAKE3, Argon2id, X25519 with ML-KEM-768'
fips\t'Those of NIST\'s standards: AES-256-GCM, SHA-256, PBKDF2, P-256 with ML-KEM-768. zvault version tells whose they are'"
complete -c zvault -n "__fish_zvault_using_subcommand init" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand init" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand init" -l random-name -d 'Create it directly below URL under a random name, which tells nobody whose it is: for a bucket or a folder with several vaults'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l no-recovery-key -d 'Make no recovery key: who forgets the passphrase and loses all devices has lost the vault'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l low-memory -d 'Let the passphrase be opened on machines with little memory; guessing it becomes cheaper'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand init" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand init" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand init" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l tag -d 'Add a tag to the snapshot; several are separated by commas' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l time -d 'Time of the snapshot, as 2026-01-31T12:00:00Z or \'2026-01-31 12:00:00\' [default: now]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -s H -l host -d 'Host name of the snapshot [default: the name of this machine]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -s e -l exclude -d 'Leave out what matches a pattern, in the syntax of gitignore' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l iexclude -d 'The same, without regard to upper and lower case' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l exclude-file -d 'Leave out what matches the patterns in a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l exclude-larger-than -d 'Leave out files that are larger' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l compression -d 'How hard to compress: auto, off, fastest, better, max, or a level of zstd from 1 to 22' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l stdin-filename -d 'Name of that file in the snapshot [default: stdin]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -s j -l jobs -d 'Number of threads [default: one for each core]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l jitter -d 'Wait a random time of up to DURATION before the first request; only where nobody watches and the storage is remote' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand push" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand push" -l exclude-caches -d 'Leave out the contents of folders that have a CACHEDIR.TAG'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s x -l one-file-system -d 'Stay on the file system of each PATH'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s n -l dry-run -d 'Read everything, write nothing, and tell what would be done'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s f -l force -d 'Read all files again, also those that look unchanged'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l stdin -d 'Push standard input as one file'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l stdin-from-command -d 'Push what a command prints as one file: --stdin-from-command -- COMMAND ARGS'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l no-sqlite -d 'Read SQLite databases as plain files; those in use are then not backed up'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l no-jitter -d 'Do not wait before the first request'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand push" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l tag -d 'Add a tag to the snapshot; several are separated by commas' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l time -d 'Time of the snapshot, as 2026-01-31T12:00:00Z or \'2026-01-31 12:00:00\' [default: now]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s H -l host -d 'Host name of the snapshot [default: the name of this machine]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s e -l exclude -d 'Leave out what matches a pattern, in the syntax of gitignore' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l iexclude -d 'The same, without regard to upper and lower case' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l exclude-file -d 'Leave out what matches the patterns in a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l exclude-larger-than -d 'Leave out files that are larger' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l compression -d 'How hard to compress: auto, off, fastest, better, max, or a level of zstd from 1 to 22' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l stdin-filename -d 'Name of that file in the snapshot [default: stdin]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s j -l jobs -d 'Number of threads [default: one for each core]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l jitter -d 'Wait a random time of up to DURATION before the first request; only where nobody watches and the storage is remote' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l exclude-caches -d 'Leave out the contents of folders that have a CACHEDIR.TAG'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s x -l one-file-system -d 'Stay on the file system of each PATH'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s n -l dry-run -d 'Read everything, write nothing, and tell what would be done'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s f -l force -d 'Read all files again, also those that look unchanged'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l stdin -d 'Push standard input as one file'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l stdin-from-command -d 'Push what a command prints as one file: --stdin-from-command -- COMMAND ARGS'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l no-sqlite -d 'Read SQLite databases as plain files; those in use are then not backed up'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l no-jitter -d 'Do not wait before the first request'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s t -l target -d 'Folder to restore into; it is made if it does not exist' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s i -l include -d 'Restore only what matches a pattern, in the syntax of gitignore' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s e -l exclude -d 'Leave out what matches a pattern' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l overwrite -d 'What happens to files that exist in the target already' -r -f -a "always\t'Replace them'
if-changed\t'Replace those that differ in size or time'
if-newer\t'Replace those that are older'
never\t'Keep them'"
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l delete -d 'Delete what is in the restored folders of the target and not in the snapshot'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s n -l dry-run -d 'Write nothing, and tell what would be done'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l verify -d 'Read every restored file again, and compare it with the snapshot'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l no-sparse -d 'Write holes as zeros'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l no-owners -d 'Do not restore owners [default: they are restored when run as root]'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s H -l host -d 'Only those of a host; may be given several times' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l tag -d 'Only those that have all of these tags, separated by commas; may be given several times, for one or the other' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l path -d 'Only those of a path; may be given several times' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l latest -d 'Only the newest N of each host and set of paths' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s c -l compact -d 'One line for each snapshot, with less in it'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand snapshots" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l device -d 'Only what one device did: its name, or the beginning of its id' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l since -d 'Only what is claimed to be from TIME on: 2026-01-31, 2026-01-31T12:00:00Z, or 7d for a week ago' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -f -a "export" -d 'Write the history to a file that others can verify and read without any key'
complete -c zvault -n "__fish_zvault_using_subcommand log; and not __fish_seen_subcommand_from export verify" -f -a "verify" -d 'Verify an exported history, and show it; needs neither the vault nor a key'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l vault -d 'Id of the vault, from somebody else than who gave you the file' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand log; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s l -l long -d 'Show modes, owners, sizes and times'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l recursive -d 'List also what is in the folders below the path'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l read-data-subset -d 'Read a part of the data: the Nth of T parts as N/T, a random share as X%, or a random amount as SIZE' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l read-data-of -d 'Read the data that a device has stored, or told others where it is, and verify it: its name, or the beginning of its id' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand check" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand check" -l read-data -d 'Read all data as well, and verify it'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l keyless -d 'Compare every stored object with its name, without any key or passphrase'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand check" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand check" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand check" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -f -a "list" -d 'List the devices, and what their records have lost or left without effect'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -f -a "rename" -d 'Call a device something else'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -f -a "grant" -d 'Let a device do more; nothing is taken away but with the device'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and not __fish_seen_subcommand_from list rename grant revoke" -f -a "revoke" -d 'End a device for ever: it reads nothing that is pushed from then on, and what it writes does not count'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s y -l yes -d 'Do not ask'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from grant" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s y -l yes -d 'Do not ask'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l compromised -d 'It may be in somebody else\'s hands: others rely on nothing that it has stored, and what is to be done is told'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l with-added -d 'End all devices and passphrases that it added, and those that they did, with it'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand devices; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -f -a "list" -d 'List the passphrases and the recovery key'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -f -a "add" -d 'Add a passphrase'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -f -a "remove" -d 'End a passphrase: it opens nothing that is pushed from then on'
complete -c zvault -n "__fish_zvault_using_subcommand key; and not __fish_seen_subcommand_from list add remove change" -f -a "change" -d 'Put another passphrase in the place of one'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l name -d 'What it is called in lists' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l low-memory -d 'Let it be opened on machines with little memory; guessing it becomes cheaper'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Do not ask'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l low-memory -d 'Let it be opened on machines with little memory; guessing it becomes cheaper'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand key; and __fish_seen_subcommand_from change" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -f -a "print" -d 'Print a page for paper: the vault, its place, how to get everything back, and a QR code of what is to be compared'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -f -a "new" -d 'Make new words; the old ones open nothing that is pushed from then on'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and not __fish_seen_subcommand_from print new restore" -f -a "restore" -d 'Make this machine a device of a vault again with the 24 words: an admin, which can do everything'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l html -d 'Write a page for a browser to FILE; it must not exist' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l svg -d 'Write a drawing of one page of A4 to FILE; it must not exist' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l with-words -d 'Put the 24 words on it: they are asked for, or read from --recovery-words-file; needs --html or --svg'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l recovery-sheet -d 'Write a sheet with the new words to FILE, a page if it ends in .html and a drawing if it ends in .svg' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s y -l yes -d 'Do not ask'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l sheet -d 'The text of the sheet\'s QR code: vault and roster are compared with it' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l device-name -d 'What this machine is called [default: its own name]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand recovery; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l no-write -d 'Write nothing to the storage: only list and read'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l grant -d 'What the new device may do: read, push, prune, pair, admin [default: read,push]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l name -d 'Name of the new device [default: the name of the machine that joins]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l expires -d 'How long the ticket is good for [default: 10m]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l via -d 'How the two devices talk: over the network, through the vault\'s storage, or whatever is quicker' -r -f -a "tcp\t'A connection on the network'
mailbox\t'Objects in the vault\'s storage'
all\t'Both at once'"
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l listen -d 'Listen at this address of this machine [default: all interfaces, and a port that is free]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l address -d 'Address of the device that invites, for words; can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l qr -d 'Write the QR code to a file, .png or .svg' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s y -l yes -d 'Do not ask: let the first device in that has the ticket or the words; when joining, take the storage server that the other device names'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l presign -d 'Put signed URLs for the vault\'s storage into the ticket, so that the new device needs no credential to join'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l with-credentials -d 'Give the new device the credentials for the storage that this one has in its environment'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand pair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l from -d 'Store to copy from, by its URL or its name in zvault.toml [default: the first one there]' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l to -l store -d 'Store to copy to: empty, or with an older copy of the same vault [default: all others in zvault.toml]' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l max-bytes -d 'Copy nothing if more than SIZE is missing: a limit on what somebody may have planted in the store' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l vault -d 'Id of the vault, if several may be there' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l read-data -d 'Read all of the target as well, and replace what is damaged there'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s n -l dry-run -d 'Write nothing, and tell what would be copied'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand mirror" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -f -a "list" -d 'List the stores that the vault has'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -f -a "add" -d 'Add a store: an empty place, or one with a copy of this vault'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -f -a "remove" -d 'Take a store off the vault\'s list; never the primary. What is stored there stays'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and not __fish_seen_subcommand_from list add remove primary" -f -a "primary" -d 'Make a store the primary; it must have everything that the primary has'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l accept-loss -d 'The primary is lost for good: go on with what this store has, also if this machine has seen more'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand stores; and __fish_seen_subcommand_from primary" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand status" -l max-age -d 'End with exit code 1 if this device\'s newest snapshot is older, for example 26h or 2d' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand status" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand status" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand status" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand status" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand status" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand status" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand status" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand status" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l limit -d 'Look at no more than N places' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l with-secret -d 'Try a passphrase, or the 24 words, at vaults that this machine does not know: typed, or from where --passphrase-file and the like, or the environment, say. Each of their slots takes up to a few seconds'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l all -d 'List the vaults that nothing here opens as well'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand vaults" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and not __fish_seen_subcommand_from self-test" -f -a "self-test" -d 'Test the module and use each of its services once, and report'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand fips; and __fish_seen_subcommand_from self-test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zvault -n "__fish_zvault_using_subcommand version" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand version" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand version" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand version" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand version" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand version" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand version" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand version" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand version" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand completions" -s h -l help -d 'Print help'
complete -c zvault -n "__fish_zvault_using_subcommand man" -l out -d 'Folder to write the pages of all commands into' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -s r -l url -l repo -d 'Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of this device]' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l home -d 'Folder of this device\'s keys and state [default: the platform\'s folder for state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -l config -d 'File of configuration: the vault\'s stores [default: zvault.toml in the folder of state]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -l cache-dir -d 'Folder of caches; they can be deleted at any time [default: the platform\'s folder for caches]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -s p -l passphrase-file -d 'Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -l passphrase-command -d 'Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l passphrase-fd -d 'Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l recovery-words-file -d 'Open the vault with the 24 words of its recovery key, read from a file' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -l progress-interval -d 'Print a line of progress every SECONDS, also where the output is no terminal' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -s o -l option -d 'Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l ca-cert -d 'Trust the certificates in a file (PEM) beside those of the system' -r -F
complete -c zvault -n "__fish_zvault_using_subcommand man" -l limit-upload -d 'Send at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l limit-download -d 'Receive at most RATE: KiB/s, or a number with K, M or G' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l parallel-requests -d 'Have at most N requests to the store under way at once' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l retry-max-time -d 'Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once' -r
complete -c zvault -n "__fish_zvault_using_subcommand man" -l ephemeral -d 'Do not make this machine a device of the vault: use the passphrase for this run only'
complete -c zvault -n "__fish_zvault_using_subcommand man" -l accept-rollback -d 'Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes down in its log what is lost'
complete -c zvault -n "__fish_zvault_using_subcommand man" -l json -d 'Print JSON: one document, or one line for each message of a long job'
complete -c zvault -n "__fish_zvault_using_subcommand man" -s q -l quiet -d 'Print nothing but problems and the data that was asked for'
complete -c zvault -n "__fish_zvault_using_subcommand man" -s v -l verbose -d 'Print every new and changed item; twice: every item'
complete -c zvault -n "__fish_zvault_using_subcommand man" -l no-progress -d 'Do not show progress'
complete -c zvault -n "__fish_zvault_using_subcommand man" -s h -l help -d 'Print help'
