// NNI's manager ends where an SSH connection is reset, as nobody handles that error. Loaded into it, this only logs such errors:
//     NODE_OPTIONS="--require $PWD/keep_manager.js" nnictl create --config config_machines.yml
process.on('uncaughtException', error => {
    console.error(error);
    if (!['client-socket', 'client-timeout'].includes(error.level)) {  // any other error is none of SSH's
        process.exit(1);
    }
});
