# shows: watch tells each coming and going once, devices what is there
# limit: 90
. /mnt/lib.sh
bromide watch --json > watch.log 2>&1 & watcher=$!
phone "boot=preloader&stay=1000&plugs=2&gap=1000"
seen() { [ "$(grep -c '2000' watch.log)" -ge 4 ]; }
check "two comings and two goings" until_true 20 seen
unplug $phone
kill $watcher; wait $watcher
cat watch.log
bromide devices --json > none.log 2>&1
phone "boot=bootrom&key=held"
until_true 10 there 0003
bromide devices --json > devices.log 2>&1
cat devices.log
says "$(ports 0003)" devices.log "the phone's port"
check "nothing when nothing is there" test -z "$(grep -i bootrom none.log)"
bromide devices
