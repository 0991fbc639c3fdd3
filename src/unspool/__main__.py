from unspool.cli import main

main()
