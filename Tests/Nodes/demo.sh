# shellcheck shell=bash disable=SC2154 # sourced by scripts/demo --nodes, which has the functions and the input
# A store over six nodes, of which two are killed and one is frozen.

export BSCTL_STORE="$work/store"

address() { echo "s3://shards/store?endpoint=${node_endpoint[$1]}&region=us-east-1"; }

say "2. Six nodes: S3 servers of their own, each with a bucket"
devices=()
for name in node-{1..6}; do
    weed_start "$name" "$work/$name" || exit 1
    devices+=(--device "$(address "$name"),label=$name")
    echo "$name  ${node_endpoint[$name]}  process ${node_pid[$name]}"
done

say "3. A store over them; any three may vanish"
run init "$BSCTL_STORE" --profile rs:3+3 "${devices[@]}"
run put -r "$input" tree
run status

say "4. Two nodes are killed, one is frozen"
kill -KILL "${node_pid[node-1]}" "${node_pid[node-2]}"
kill -STOP "${node_pid[node-3]}"
echo "killed node-1 and node-2, stopped node-3"
run get -r tree "$work/read-1"
same "$work/read-1"
run status

say "5. A fresh node takes the place of one that is gone, and repair fills it"
weed_start node-7 "$work/node-7" || exit 1
run device replace node-1 "$(address node-7)"
run repair

say "6. Another old node dies: what the fresh one holds is needed now"
kill -KILL "${node_pid[node-4]}"
run get -r tree "$work/read-2"
same "$work/read-2"

say "7. The frozen node goes on, the home is lost: the nodes alone bring it back"
kill -CONT "${node_pid[node-3]}"
rm -rf "$BSCTL_STORE"
run recover "$BSCTL_STORE" --device "$(address node-7)" --device "$(address node-3)" --device "$(address node-5)" \
    --device "$(address node-6)"
run repair
run scrub
run get -r tree "$work/read-3"
same "$work/read-3"

say "Done."
