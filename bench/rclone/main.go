// Program rclone has the one kind of storage and the one command that the benchmark needs: all of rclone takes many
// times as long to build. What it runs is rclone's own code, unchanged.
package main

import (
	_ "github.com/rclone/rclone/backend/s3"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/copy"
)

func main() { cmd.Main() }
