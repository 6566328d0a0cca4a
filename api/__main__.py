"""`python -m api` is `xiangyun`."""

from api.cli.main import main

if __name__ == "__main__":
    main()
