"""The `xiangyun` command."""
